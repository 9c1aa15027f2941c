// Predict mode: reads what a reader types, compares it with the segment, and names typical misconceptions.

const SPAN = 2 ** 32;
const NO_NUMBER = 'none';

const plain = (text) => text.normalize('NFKC').trim().toLowerCase();
// Sorted letters without PSH, which depends on the buffers of the sender.
const withoutPush = (letters) => [...new Set(letters.replace(/[-P]/g, ''))].sort().join('');
const opposite = (field) => (field === 'seq' ? 'ack' : 'seq');
const isSegment = (rung) => rung.k === 'segment';

// Each reading is null for a text that is not understood.
function readFlags(text) {
  const { around, none, between, control_bits: names } = index.typed;
  const bare = plain(text).replace(new RegExp(around, 'g'), '');
  if (none.includes(bare)) return '';
  const words = bare.split(new RegExp(between)).filter(Boolean).map((word) => word.toUpperCase());
  const letters = words.map((word) => names[word] || word.replaceAll('.', 'A')).join('');
  return letters && [...letters].every((each) => index.letters.includes(each)) ? withoutPush(letters) : null;
}

// A number, or a sum with one of the article's letters: x is the client's initial sequence number, y the server's.
function readSum(text) {
  const { field, within, term } = index.typed;
  const bare = plain(text).replace(new RegExp(field), '').replace(new RegExp(within, 'g'), '').trim();
  const terms = [...bare.matchAll(new RegExp(term, 'g'))];
  const letters = terms.map((each) => each[2]).filter((word) => /^[a-z]/.test(word));
  const isSum = terms.map(([all]) => all).join('') === bare && terms.slice(1).every(([, sign]) => sign);
  if (!bare || !isSum || letters.length > 1 || letters.some((each) => !['x', 'y'].includes(each))) return null;
  const number = terms.reduce((sum, [, sign, word]) => (letters.includes(word) ? sum : sum + Number(word) * (sign === '-' ? -1 : 1)), 0);
  return { letter: letters[0], number };
}

// "0" may be the number 0 or mean that there is none.
function readAck(text) {
  const word = plain(text);
  return word !== '0' && index.typed.none.includes(word) ? NO_NUMBER : readSum(text);
}

function readCount(text) {
  const { none, thousands, integer, digits } = index.typed;
  if (none.includes(plain(text))) return 0;
  const bare = plain(text).replace(new RegExp(thousands, 'g'), '');
  const found = bare.match(new RegExp(integer, 'g')) || bare.match(new RegExp(Object.keys(digits).join('|'), 'g')) || [];
  return found.length === 1 && !/-\s*\d/.test(bare) ? digits[found[0]] ?? Number(found[0]) : null;
}

// Field, keys of its name, of how it is typed and of what is said of a text that is not understood, and its reading.
const PREDICTED = [
  ['flags', 'predict_flags', 'how_flags', 'not_flags', readFlags],
  ['seq', 'f_seq', 'how_sequence', 'not_a_number', readSum],
  ['ack', 'f_ack', 'how_sequence', 'not_a_number', readAck],
  ['length', 'predict_length', 'how_count', 'not_a_count', readCount],
];

// One hidden segment: what is known before it, and what a prediction of it is worth.
class Prediction {
  constructor(run, at) {
    this.rung = run.rungs[at];
    this.name = run.names[this.rung.c] || ''; // of the connection, if there are several
    const segments = run.rungs.filter((each) => isSegment(each) && each.c === this.rung.c);
    this.clientIsPeer = segments[0].p; // who sends first
    this.before = segments.slice(0, segments.indexOf(this.rung));
  }

  // The field whose numbers count from this letter's initial sequence number.
  fieldOf(letter) {
    return (letter === 'x') === (this.rung.p === this.clientIsPeer) ? 'seq' : 'ack';
  }

  truth(field) {
    const { rung } = this;
    return { flags: withoutPush(rung.l), seq: rung.seq[0], ack: rung.ack, length: rung.seq[1] }[field];
  }

  // The initial sequence number from which the numbers of a field count.
  iss(field) {
    return this.rung.iss[field === 'seq' ? 0 : 1];
  }

  // The number in the header.
  onTheWire(field) {
    return (this.iss(field) + this.truth(field) + SPAN) % SPAN;
  }

  // The nearest initial sequence number, by the field that counts from it, and how far the number is from there.
  distance(field, { letter, number }, isAbsolute) {
    if (letter) return [this.fieldOf(letter), number];
    if (!isAbsolute) return [field, number];
    const from = (each) => ((number - this.iss(each) + SPAN * 1.5) % SPAN) - SPAN / 2;
    const [side] = [field, opposite(field)].sort((one, other) => Math.abs(from(one)) - Math.abs(from(other)));
    return number < SPAN && Math.abs(from(side)) < index.typed.near ? [side, from(side)] : ['', number];
  }

  // Whether it is right, and the id of the misconception if not; "" if it is not a typical one. A small number is
  // relative; with `absolute`, each number without a letter is one of the header.
  judge(field, value, absolute) {
    const truth = this.truth(field);
    if (field === 'flags') return [value === truth, this.misreadFlags(value, truth)];
    if (field === 'length') return [value === truth, ''];
    if (value === NO_NUMBER) return [truth === undefined, ''];
    if (truth === undefined) return [!value.letter && value.number === 0, this.heard().length ? '' : 'field-without-ack'];
    const isAbsolute = !value.letter && (absolute || value.number >= index.typed.near);
    const [side, number] = this.distance(field, value, isAbsolute);
    if (isAbsolute ? value.number === this.onTheWire(field) : side === field && number === truth) return [true, ''];
    if (isAbsolute && value.number === truth) return [false, 'relative-for-absolute'];
    if (isAbsolute && value.number % SPAN === this.onTheWire(field)) return [false, 'not-wrapped'];
    const isRelative = !value.letter && !isAbsolute;
    return [false, side === field ? this.miscounted(field, number, truth, isRelative) : side && 'sides-swapped'];
  }

  // The segments so far of the other side.
  heard() {
    return this.before.filter((each) => each.p !== this.rung.p);
  }

  misreadFlags(typed, truth) {
    const last = this.heard().at(-1);
    const [, , syn, fin] = last ? last.seq : [];
    const fromKernel = !this.rung.p;
    const typical = [
      [truth === 'S' && typed === 'AS', 'syn-with-ack'],
      [truth === 'S' && typed === 'A', 'ack-alone-opens-nothing'],
      [truth === 'AS' && typed === 'A', 'syn-is-answered-by-ack-only'],
      [truth === 'AS' && typed === 'S', 'answer-without-ack'],
      [truth === 'A' && syn && typed === 'AS', 'ack-with-syn'],
      [truth === 'A' && syn && typed === 'S', 'syn-again'],
      [truth === 'AF' && fin && fromKernel && typed === 'A', 'four-is-no-law'],
      [truth === 'AF' && fromKernel && typed.includes('R'), 'close-is-reset'],
      [truth.includes('R') && typed === '', 'reset-is-silence'],
      [truth.includes('A') && typed === truth.replace('A', ''), 'fin-without-ack'],
    ];
    return (typical.find(([holds]) => holds) || [])[1] || '';
  }

  // A number that counts from the right side's initial sequence number, or may be meant to if it is relative.
  miscounted(field, number, truth, isRelative) {
    const counted = this.before.filter((each) => (each.p === this.rung.p) === (field === 'seq'));
    const other = this.before.filter((each) => !counted.includes(each));
    const takes = (each) => each.end > each.seq[0];
    const last = counted.findLast(takes);
    const [begin, data, syn, fin] = last && last.end === truth ? last.seq : [];
    const typical = [
      [fin, truth - 1, 'fin-not-counted'],
      [fin, truth - 2, 'syn-and-fin-not-counted'],
      [syn, truth - 1, 'syn-not-counted'],
      [data && field === 'ack', begin, 'own-number'],
      [data, truth - data, 'data-not-counted'],
      [last, truth - 1, 'syn-not-counted'],
      [last && last !== counted.at(-1), truth + 1, 'ack-takes-a-number'],
      [syn || (field === 'seq' && this.rung.seq[2]), truth + 1, 'counted-twice'],
      [isRelative, this.truth(opposite(field)), 'sides-swapped'],
      [true, truth + other.reduce((sum, each) => sum + each.seq[1], 0), 'other-direction-counted'],
    ];
    return (typical.find(([holds, value]) => holds && value === number) || [])[2] || '';
  }

  // The value of the segment: a number relative, with the article's letter, and as in the header.
  shown(field) {
    const truth = this.truth(field);
    if (field === 'flags') return this.rung.l;
    if (truth === undefined) return t('predict_no_ack');
    if (field === 'length') return String(truth);
    const letter = ['x', 'y'].find((each) => this.fieldOf(each) === field);
    return [`${truth}`, h('small', {}, `${letter}${truth ? (truth > 0 ? '+' : '') + truth : ''} = ${this.onTheWire(field)}`)];
  }
}

// The form for a prediction. `reveal` gets the text and the reading of each field, and whether numbers are absolute.
function predictionForm(prediction, reveal) {
  const rows = PREDICTED.map(([field, name, how, not, read], at) => {
    const first = PREDICTED.findIndex((each) => each[2] === how); // both numbers are typed in the same way
    const error = h('p', { class: 'not-understood', id: `predict-${field}-error` });
    const input = h('input', {
      id: `predict-${field}`, type: 'text', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', 'aria-describedby': `predict-${PREDICTED[first][0]}-how predict-${field}-error`,
    });
    const view = h('div', { class: 'predicted' }, h('label', { for: input.id }, t(name)), input,
      first === at ? h('p', { class: 'how', id: `predict-${field}-how` }, t(how)) : '', error);
    return { field, input, error, not, read, view };
  });
  const absolute = h('input', { type: 'checkbox', id: 'predict-absolute' });
  const submit = (event) => {
    event.preventDefault();
    const typed = rows.map(({ field, input, read }) => ({ field, text: input.value.trim(), value: input.value.trim() ? read(input.value) : undefined }));
    const unclear = rows.filter((row, at) => {
      const isUnclear = typed[at].value === null;
      row.input.setAttribute('aria-invalid', String(isUnclear));
      row.error.replaceChildren(...(isUnclear ? ['✗ ', ...t(row.not)] : []));
      return isUnclear;
    });
    if (unclear.length) unclear[0].input.focus();
    else reveal(typed, absolute.checked);
  };
  return h('form', { submit }, h('h2', {}, t('predict_next'), way(prediction.rung), ' ', h('span', { class: 'mono' }, prediction.name)), h('p', { class: 'lead' }, t('predict_lead')), rows.map((each) => each.view),
    h('p', {}, absolute, ' ', h('label', { for: 'predict-absolute' }, t('predict_absolute'))), h('button', { class: 'main', type: 'submit' }, t('predict_reveal')));
}

// The prediction beside the segment, field by field, with the misconception behind a wrong answer.
function compared(prediction, typed, absolute) {
  const judged = typed.map(({ field, text, value }) => ({ field, text, verdict: value === undefined ? null : prediction.judge(field, value, absolute) }));
  const answers = judged.filter((each) => each.verdict);
  const score = { right: answers.filter((each) => each.verdict[0]).length, count: answers.length };
  const rows = judged.map(({ field, text, verdict }) => {
    const [right, misconception] = verdict || [];
    const sign = verdict ? [h('span', { class: 'sign', 'aria-hidden': 'true' }, right ? '✓ ' : '✗ '), t(right ? 'right' : 'wrong')] : t('missing');
    const name = PREDICTED.find(([each]) => each === field)[1];
    const why = verdict && !right && misconception;
    return [h('tr', { class: verdict ? (right ? 'right' : 'wrong') : '' }, h('th', { scope: 'row' }, t(name)), h('td', { class: 'mono' }, text), h('td', { class: 'mono' }, prediction.shown(field)), h('td', {}, sign)),
      why ? h('tr', { class: 'because' }, h('td', { colspan: '4' }, explained(index.misconceptions[misconception]))) : ''];
  });
  const heads = ['field', 'predict_you', 'predict_segment', 'predict_verdict'].map((key) => h('th', { scope: 'col' }, t(key)));
  return { score, view: [h('h2', {}, h('span', { class: 'letters mono' }, prediction.rung.l), ' ', way(prediction.rung), ' ', h('span', { class: 'mono' }, prediction.name)),
    score.count ? h('p', {}, t('of_rounds', score)) : '',
    h('table', { class: 'compared' }, h('thead', {}, h('tr', {}, heads)), h('tbody', {}, rows))] };
}

// Remove from a drawing the rungs from `limit` on, the title of their step, and from rung `states` on states and timers,
// which may tell the next segment. An arrow with a question mark takes its place.
function cover(svg, groups, { rungs, names }, { limit, states, title }) {
  const top = (at) => Number(groups.get(at).querySelector('.hit').getAttribute('y'));
  const [cut, unsure] = [top(limit), top(states)];
  const bottom = cut + 46;
  const known = states < limit ? unsure : bottom; // down to here the lanes have the colours of states
  const lanes = new Set();
  for (const lane of svg.querySelectorAll('.lane')) {
    const [x, since, end] = lane.getAttribute('d').match(/\d+/g).map(Number);
    lanes.add(x);
    if (since >= Math.min(known, cut)) lane.remove();
    else if (end > Math.min(known, cut)) lane.setAttribute('d', `M${x} ${since}V${known}`);
  }
  if (known < bottom) svg.prepend(...[...lanes].map((x) => drawn('path', { class: 'lane unsure', d: `M${x} ${known}V${bottom}` })));
  for (const [at, group] of groups) {
    if (at >= states) group.querySelectorAll('.pill, .state, [data-w^=timer]').forEach((each) => each.remove());
    if (at === title) {
      const [first, ...others] = group.querySelectorAll('.title');
      first.textContent = '…';
      first.removeAttribute('lang');
      others.forEach((each) => each.remove());
    }
    if (at >= limit) group.remove();
    if (at >= limit) groups.delete(at);
  }
  const [left, right] = [Math.min(...lanes) + 6, Math.max(...lanes) - 6];
  const [start, end, step] = rungs[limit].p ? [left, right, 10] : [right, left, -10];
  svg.setAttribute('viewBox', `0 0 ${svg.viewBox.baseVal.width} ${bottom}`);
  svg.append(drawn('g', { class: `hidden-segment ${rungs[limit].p ? 'from-peer' : 'from-kernel'}`, role: 'presentation' },
    drawn('path', { class: 'arrow', d: `M${start} ${cut + 30}H${end - step}` }),
    drawn('path', { class: 'tip', d: `M${end} ${cut + 30}l${-step} -4v8Z` }),
    drawn('text', { class: 'numbers', x: (left + right) / 2, y: cut + 21, 'text-anchor': 'middle' }, `${names[rungs[limit].c] || ''} ?`.trim())));
}
