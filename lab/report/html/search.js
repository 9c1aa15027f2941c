// Filters of the overview, the search over scenarios, claims and packets, and what an unknown place shows.

const MOST = 40;

function filters() {
  for (const bar of document.querySelectorAll('.filters')) {
    const section = bar.closest('section');
    const apply = () => {
      const chosen = {};
      for (const chips of bar.querySelectorAll('.chips')) chosen[chips.dataset.filter] = chips.querySelector('[aria-pressed=true]').dataset.value;
      const text = (bar.querySelector('input') || { value: '' }).value.trim().toLowerCase();
      let left = 0;
      for (const each of section.querySelectorAll('.scenario, .claim')) {
        const { outcomes = '', verdict, kind } = each.dataset;
        const fits = (!chosen.outcome || outcomes.split(' ').includes(chosen.outcome)) && (!chosen.verdict || verdict === chosen.verdict)
          && (!chosen.kind || kind === chosen.kind) && (each.dataset.text || '').includes(text);
        each.hidden = !fits;
        left += fits;
      }
      for (const group of section.querySelectorAll('.file, .topic')) group.hidden = !group.querySelector('.scenario:not([hidden]), .claim:not([hidden])');
      section.querySelector('[data-none]').hidden = left > 0;
    };
    for (const button of bar.querySelectorAll('.chips button')) {
      button.addEventListener('click', () => {
        for (const other of button.parentElement.querySelectorAll('button')) other.setAttribute('aria-pressed', String(other === button));
        apply();
      });
    }
    for (const input of bar.querySelectorAll('input')) input.addEventListener('input', apply);
  }
}

// Sorted letters of a word that means control bits, such as "SYN+ACK" or "SA"; null for any other word.
function controlBits(word) {
  const names = word.toUpperCase().split('+');
  if (names.every((name) => name in index.control)) return names.map((name) => index.control[name]).sort().join('');
  return word.length <= 6 && [...word].every((each) => index.letters.includes(each)) ? [...word].sort().join('') : null;
}

// All words must match; control bits match packets with exactly these. The basic exchange comes first.
function packetsFor(words, stage) {
  const found = [];
  const isBasic = (each) => each.id === index.basic;
  for (const scenario of [...index.scenarios.filter(isBasic), ...index.scenarios.filter((each) => !isBasic(each))]) {
    for (const run of scenario.runs) {
      for (const packet of run.packets) {
        if (stage.withholds(scenario, packet[0])) continue;
        const [, , letters, text, , marks] = packet;
        const sorted = [...letters].sort().join('');
        const fits = words.every((word) => {
          const wanted = controlBits(word);
          if (wanted !== null) return sorted === wanted;
          return `${text} ${marks}`.toLowerCase().includes(word.toLowerCase());
        });
        if (fits) found.push([scenario, run, packet]);
      }
    }
  }
  return found;
}

// The stage withholds the segments that are still to be predicted there.
function search(query, stage) {
  const words = query.trim().split(/\s+/).filter(Boolean);
  const within = (text) => words.every((word) => text.toLowerCase().includes(word.toLowerCase()));
  const scenarios = index.scenarios.filter((each) => within(`${each.id} ${each.title} ${index.texts[each.title] || ''} ${each.section}`));
  const claims = [...document.querySelectorAll('.claim')].filter((each) => within(each.textContent));
  const packets = packetsFor(words, stage);
  const list = (items, view) => [h('ul', { class: 'found' }, items.slice(0, MOST).map(view)), items.length > MOST ? h('p', { class: 'lead' }, t('results_more', { count: items.length - MOST })) : ''];
  const [parts, packetParts] = [[], []];
  if (scenarios.length) parts.push(h('h2', {}, t('scenarios')), list(scenarios, (each) => h('li', {}, h('a', { href: each.runs[0].link }, each.id), ' ', h('span', {}, each.title))));
  if (claims.length) {
    parts.push(h('h2', {}, t('claims')), list(claims, (each) => h('li', {}, h('a', { href: `#${each.id}` }, each.id), ' ', statement(each.id))));
  }
  if (packets.length) {
    packetParts.push(h('h2', {}, t('packets')), list(packets, ([scenario, run, [, number, letters, text, fromPeer]]) => h('li', {},
      h('a', { href: `${run.link}/p${number}` }, `${scenario.id} IPv${run.family}, ${number}`), ' ',
      h('span', { class: 'mono' }, `${fromPeer ? '→' : '←'} ${letters} ${text}`))));
  }
  const total = { scenarios: scenarios.length, claims: claims.length, packets: packets.length };
  const none = !scenarios.length && !claims.length && !packets.length;
  const sections = words.every(controlBits) ? [...packetParts, ...parts] : [...parts, ...packetParts];
  announce(none ? say('results_none') : say('results_count', total));
  return [h('div', { class: 'scenario-head' }, h('h1', {}, t('results_for'), ' ', h('q', {}, query)),
    h('p', { class: 'lead' }, none ? t('results_none') : t('results_count', total)),
    stage.isHiding ? h('p', { class: 'note' }, t('predict_withheld', { scenario: stage.scenario.id })) : '',
    h('a', { class: 'button', href: '#', click: () => { document.getElementById('search').value = ''; } }, t('close_search'))), ...sections.flat()];
}

function nothingAt(place) {
  announce(say('nothing_at', { place }));
  return h('div', { class: 'scenario-head' }, h('h1', {}, t('nothing_at', { place })), h('p', { class: 'lead' }, t('nothing_at_hint')),
    h('a', { class: 'button', href: '#scenarios' }, t('back')));
}
