// Tables of the headers: position and notation of each field.

// Name, first bit, number of bits, and notation (default: decimal).
const ETHERNET = [
  ['eth_dst', 0, 48, 'mac'], ['eth_src', 48, 48, 'mac'], ['eth_type', 96, 16, 'hex'],
];
const IPV4 = [
  ['version', 0, 4], ['ihl', 4, 4], ['dscp', 8, 6], ['ecn', 14, 2], ['total_length', 16, 16],
  ['identification', 32, 16, 'hex'], ['ip_reserved', 48, 1], ['df', 49, 1], ['mf', 50, 1], ['fragment_offset', 51, 13],
  ['ttl', 64, 8], ['protocol', 72, 8], ['ip_checksum', 80, 16, 'hex'],
  ['source', 96, 32, 'ipv4'], ['destination', 128, 32, 'ipv4'],
];
const IPV6 = [
  ['version', 0, 4], ['traffic_class', 4, 8], ['flow_label', 12, 20, 'hex'],
  ['payload_length', 32, 16], ['next_header', 48, 8], ['hop_limit', 56, 8],
  ['source', 64, 128, 'ipv6'], ['destination', 192, 128, 'ipv6'],
];
const TCP = [
  ['source_port', 0, 16], ['destination_port', 16, 16], ['seq', 32, 32], ['ack', 64, 32],
  ['data_offset', 96, 4], ['reserved', 100, 3],
  ['NS', 103, 1], ['CWR', 104, 1], ['ECE', 105, 1], ['URG', 106, 1], ['ACK', 107, 1],
  ['PSH', 108, 1], ['RST', 109, 1], ['SYN', 110, 1], ['FIN', 111, 1], ['window', 112, 16],
  ['checksum', 128, 16, 'hex'], ['urgent', 144, 16],
];

function bitsOf(octets, from, count) {
  let text = '';
  for (let at = from; at < from + count; at += 1) text += (octets[at >> 3] >> (7 - (at & 7))) & 1;
  return text;
}

const hex = (octets) => [...octets].map((each) => each.toString(16).padStart(2, '0'));

// RFC 5952 4.2: the longest run of zero groups, if longer than one, becomes two colons.
function ipv6(octets) {
  const groups = [];
  for (let at = 0; at < 16; at += 2) groups.push(((octets[at] << 8) | octets[at + 1]).toString(16));
  let start = 0;
  let longest = 1;
  for (let from = 0; from < 8; from += 1) {
    let count = 0;
    while (groups[from + count] === '0') count += 1;
    if (count > longest) [start, longest] = [from, count];
  }
  if (longest < 2) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + longest).join(':')}`;
}

function reading(octets, from, count, kind) {
  const bits = bitsOf(octets, from, count);
  const part = octets.subarray(from >> 3, (from + count + 7) >> 3);
  if (kind === 'mac') return hex(part).join(':');
  if (kind === 'ipv4') return [...part].join('.');
  if (kind === 'ipv6') return ipv6(part);
  const number = parseInt(bits, 2);
  return kind === 'hex' ? `0x${number.toString(16).padStart(Math.ceil(count / 4), '0')}` : String(number);
}

function field(octets, layer, base, [name, from, count, kind]) {
  const first = base * 8 + from;
  return {
    name, layer, first, count, value: reading(octets, first, count, kind),
    start: first >> 3, end: (first + count + 7) >> 3, column: from,
  };
}

// A range of bytes as one field.
function span(layer, name, base, from, end, value, more = {}) {
  return { name, layer, first: from * 8, count: (end - from) * 8, value, start: from, end, column: (from - base) * 8, ...more };
}

// `texts` are the decoded values of the options, in order; an option without one is shown as bytes.
function options(octets, base, from, end, texts) {
  const found = [];
  let at = from;
  while (at < end) {
    const kind = octets[at];
    const length = kind < 2 ? 1 : Math.max(2, Math.min(octets[at + 1] || 2, end - at));
    const name = index.options[kind] || `${kind}`;
    const stop = kind === 0 ? end : Math.min(at + length, end);
    const value = texts[found.length] || hex(octets.subarray(at + 2, stop)).join(' ');
    found.push(span('tcp', 'option', base, at, stop, value, { option: name }));
    at = stop;
  }
  return found;
}

// All fields of a frame by layer: Ethernet, IP, TCP or other content, data.
function dissect(octets, texts) {
  const layers = [{ name: 'ethernet', base: 0, fields: ETHERNET.map((each) => field(octets, 'ethernet', 0, each)) }];
  if (octets.length < 14) return [{ name: 'other', base: 0, fields: [span('other', 'bytes', 0, 0, octets.length, '')] }];
  const kind = (octets[12] << 8) | octets[13];
  let at = 14;
  let carried = -1;
  let end = octets.length;
  if (kind === 0x0800 && octets.length >= 34) {
    const fields = IPV4.map((each) => field(octets, 'ipv4', 14, each));
    const header = Math.max(20, (octets[14] & 15) * 4);
    if (header > 20) fields.push(span('ipv4', 'ip_options', 14, 34, Math.min(14 + header, end), ''));
    layers.push({ name: 'ipv4', base: 14, fields });
    end = Math.min(end, 14 + ((octets[16] << 8) | octets[17]));
    at = Math.min(14 + header, end);
    carried = octets[23];
  } else if (kind === 0x86dd && octets.length >= 54) {
    layers.push({ name: 'ipv6', base: 14, fields: IPV6.map((each) => field(octets, 'ipv6', 14, each)) });
    end = Math.min(end, 54 + ((octets[18] << 8) | octets[19]));
    at = 54;
    carried = octets[20];
  }
  if (carried === 6 && end - at >= 20) {
    const base = at;
    const fields = TCP.map((each) => field(octets, 'tcp', base, each));
    const text = base + Math.max(20, Math.min((octets[base + 12] >> 4) * 4, end - base));
    fields.push(...options(octets, base, base + 20, text, texts));
    layers.push({ name: 'tcp', base, fields });
    at = text;
    if (at < end) layers.push({ name: 'payload', base: at, fields: [span('payload', 'data', at, at, end, `${end - at}`)] });
  } else if (at < end) {
    layers.push({ name: 'other', base: at, fields: [span('other', 'bytes', at, at, end, `${end - at}`)] });
  }
  return layers;
}
