// Details of one rung: states before and after, sequence and acknowledgment numbers, checks, packet.

// Nothing is given away of the rungs from `hidden.limit` on, and of the states from rung `hidden.states` on.
function inspected(run, at, claims, go, hidden) {
  const rung = run.rungs[at];
  const isWhole = hidden.limit === run.rungs.length;
  const parts = [head(rung), h('p', { class: 'told' }, both(told(rung, at < hidden.states)))];
  if (at < hidden.states && (rung.b.some(Boolean) || rung.a.some(Boolean))) parts.push(states(rung));
  if (rung.seq) parts.push(numbers(run, rung, go, hidden.limit));
  if (isWhole) parts.push(checks(run, rung));
  const links = isWhole ? claimLinks(claims) : [];
  if (links.length) {
    parts.push(h('section', {}, h('h3', {}, t('claims_of_step')), h('ul', { class: 'evidence' }, links.map((link) => h('li', {}, link, ' ', statement(link.textContent))))));
  }
  if (rung.d) {
    const octets = Uint8Array.from(atob(rung.d), (each) => each.charCodeAt(0));
    parts.push(new Packet(octets, rung).view());
  }
  return parts;
}

function head(rung) {
  if (rung.n === undefined) return h('h2', {}, t(rung.k));
  return h('h2', {}, h('span', { class: 'letters mono' }, rung.l), ' ', way(rung), ' ', h('small', {}, t('packet', { number: rung.n })));
}

// Sender and receiver of a packet.
function way(rung) {
  const ends = rung.p ? ['peer', 'kernel'] : ['kernel', 'peer'];
  return LANGUAGES.map((lang) => h('span', { lang }, filled(index.words.from_to[lang], {
    source: index.words[`${ends[0]}_head`][lang], target: index.words[`${ends[1]}_head`][lang],
  })));
}

// The sentence about a rung in each language, with its outcome or without.
function told(rung, withOutcome) {
  return LANGUAGES.map((lang, at) => (withOutcome && rung.after ? `${rung.s[at]}${index.words.space[lang]}${rung.after[at]}` : rung.s[at]));
}

// A link to each of these claims that this page has.
function claimLinks(ids) {
  return ids.filter((id) => document.getElementById(id)).map((id) => h('a', { href: `#${id}` }, id));
}

// What the article says, in each language.
function statement(claim) {
  return [...document.getElementById(claim).querySelector('.says').childNodes].map((node) => node.cloneNode(true));
}

function states(rung) {
  const row = (key, at) => {
    const [before, after] = [rung.b[at], rung.a[at]];
    const changed = after && before !== after;
    return h('tr', { class: changed ? 'changed' : '' }, h('th', { scope: 'row' }, t(key)),
      h('td', {}, before ? pill(before) : t('unknown')),
      h('td', {}, changed ? [h('span', { class: 'arrow', 'aria-hidden': 'true' }, '→ '), pill(after)] : after ? t('unchanged') : t('unknown')));
  };
  return h('section', { class: 'states' }, h('h3', {}, t('states')), h('table', {},
    h('thead', {}, h('tr', {}, ['side', 'before', 'after'].map((key) => h('th', { scope: 'col' }, t(key))))),
    h('tbody', {}, row('peer_head', 0), row('kernel_head', 1))));
}

function pill(state) {
  return h('span', { class: `pill ${index.phases[state]}` }, state);
}

function numbers(run, rung, go, limit) {
  const [seq, data, syn, fin] = rung.seq;
  const items = [];
  if (data + syn + fin) {
    const parts = LANGUAGES.map((lang) => {
      const text = (key, values = {}) => filled(index.words[key][lang], values);
      return (syn ? text('part_syn') : '') + (data ? text('part_data', { count: data }) : '') + (fin ? text('part_fin') : '');
    });
    items.push(h('li', { class: 'seq' }, LANGUAGES.map((lang, at) => h('span', { lang }, filled(index.words.takes[lang], { seq, parts: parts[at], end: rung.end })))));
    const by = rung.r === null || rung.r === undefined ? null : run.rungs[rung.r];
    const isKnown = limit === run.rungs.length || (by && rung.r < limit);
    if (isKnown) items.push(h('li', { class: 'seq' }, by
      ? h('button', { type: 'button', class: 'jump', click: () => go(rung.r) }, t('acknowledged_by', { packet: by.n, ack: by.ack }))
      : t('never_acknowledged')));
  } else {
    items.push(h('li', {}, t('takes_nothing')));
  }
  for (const other of rung.q || []) {
    const sent = run.rungs[other];
    items.push(h('li', { class: 'ack' }, h('button', { type: 'button', class: 'jump', click: () => go(other) },
      t('acknowledges', { ack: rung.ack, packet: sent.n, end: sent.end }))));
  }
  return h('section', { class: 'numbers' }, h('h3', {}, t('numbers')), h('ul', {}, items));
}

function sentence(number) {
  return number ? explained(index.sentences[number]) : null;
}

function explained([en, zh, section]) {
  return h('span', { class: 'why' }, both([en, zh]), section ? h('cite', {}, ` ${section}`) : '');
}

function checks(run, rung) {
  const items = rung.checks.map((check) => {
    const open = !check.o;
    const rows = check.rows.map(([name, expected, got, agrees, why]) => [
      h('tr', { class: agrees ? '' : 'wrong' }, h('th', { scope: 'row' }, name), h('td', { class: 'mono' }, expected),
        h('td', { class: 'mono' }, agrees ? '✓ ' : '✗ ', agrees && got === expected ? '' : got)),
      why ? h('tr', { class: 'because' }, h('td', { colspan: '3' }, sentence(why))) : '',
    ]);
    return h('li', { class: check.o ? 'ok' : 'wrong' }, h('details', { open },
      h('summary', {}, h('span', { class: 'sign', 'aria-hidden': 'true' }, check.o ? '✓' : '✗'), ' ',
        h('span', { class: 'hidden' }, t(check.o ? 'check_ok' : 'check_wrong'), ': '), h('span', { class: 'mono' }, check.u),
        check.line ? h('small', {}, ' ', t('line', { line: check.line })) : ''),
      check.summary ? h('p', {}, check.summary) : '',
      check.source ? h('pre', {}, h('code', {}, check.source)) : '',
      h('table', {}, h('thead', {}, h('tr', {}, ['field', 'expected', 'got'].map((key) => h('th', { scope: 'col' }, t(key))))), h('tbody', {}, rows)),
      check.why ? h('p', {}, sentence(check.why)) : ''));
  });
  if (rung.rules) items.push(rules(rung));
  return h('section', { class: 'checks' }, h('h3', {}, t('checks')), items.length ? h('ul', {}, items) : h('p', { class: 'lead' }, t('no_checks')));
}

function rules(rung) {
  const broke = rung.checks.some((check) => check.k === 'rule');
  const items = rung.rules.map((number) => h('li', {}, h('code', {}, index.rules[number][0]), ' ', sentence(index.rules[number][1])));
  return h('li', { class: broke ? '' : 'ok' }, h('details', {},
    h('summary', {}, h('span', { class: 'sign', 'aria-hidden': 'true' }, broke ? '·' : '✓'), ' ',
      t(broke ? 'rules_some' : 'rules_held', { count: rung.rules.length, total: index.rules.length })),
    h('ul', { class: 'rules' }, items)));
}
