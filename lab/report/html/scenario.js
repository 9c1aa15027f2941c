// View of one scenario: its ladder, stepped through with arrow keys and buttons, and the details of each step. In
// predict mode it ends before a segment that the reader is to predict.

const NARROW = matchMedia('(max-width: 60rem)');

class Stage {
  constructor(root) {
    this.root = root;
    this.data = null;
    NARROW.addEventListener('change', () => this.data && this.draw());
  }

  // Select a scenario for `show`, in its first address family if none is given; false if it does not exist.
  open(id, family) {
    const known = index.scenarios.find((each) => each.id === id);
    const run = known && (family ? known.runs.find((each) => each.family === family) : known.runs[0]);
    if (run) Object.assign(this, { scenario: known, run, family: run.family });
    return Boolean(run);
  }

  // The last step that is shown. Everything that moves between steps obeys it.
  get end() {
    return this.steps.findLastIndex((at) => at < this.hidden.limit);
  }

  get isHiding() {
    return Boolean(this.hidden) && this.hidden.limit < this.data.rungs.length;
  }

  // Whether a rung of this scenario, in either address family, is still to be predicted.
  withholds(scenario, at) {
    return this.isHiding && scenario === this.scenario && at >= this.hidden.limit;
  }

  // Hide what is at or after the first segment from rung `from` on. The states of the kernel may tell
  // its next segment, so they are hidden from the segment before it on.
  hide(from) {
    const { rungs } = this.data;
    const found = rungs.findIndex((rung, at) => at >= from && isSegment(rung));
    const limit = found < 0 ? rungs.length : found;
    const before = rungs.slice(0, limit);
    const states = limit < rungs.length && !rungs[limit].p ? Math.max(0, before.findLastIndex(isSegment)) : limit;
    const title = limit < rungs.length ? before.findLastIndex((rung) => rung.k === 'step') : -1;
    this.hidden = { limit, states, title };
    if (this.isHiding) replacePlace(`${this.run.link}/p${rungs[limit].n}/predict`);
  }

  ask() {
    const prediction = new Prediction(this.data, this.hidden.limit);
    this.task = h('section', { class: 'task' }, predictionForm(prediction, (...typed) => this.reveal(prediction, ...typed)));
  }

  reveal(prediction, typed, absolute) {
    const at = this.hidden.limit;
    const { score, view } = compared(prediction, typed, absolute);
    this.hide(at + 1);
    this.at = this.steps.indexOf(at);
    const onward = this.isHiding
      ? h('button', { type: 'button', class: 'main', click: () => this.askNext() }, t('predict_onward'))
      : h('a', { class: 'button', href: this.run.link }, t('predict_leave'));
    this.task = h('section', { class: 'task' }, view, this.isHiding ? '' : h('p', {}, t('predict_over')), h('p', {}, onward));
    if (!this.isHiding) replacePlace(`${this.run.link}/p${prediction.rung.n}`);
    this.draw();
    onward.focus();
    announce([...(score.count ? [say('of_rounds', score)] : []), told(prediction.rung, false)[LANGUAGES.indexOf(language())]].join(' '));
  }

  askNext() {
    this.at = this.end;
    this.ask();
    this.draw();
    this.task.querySelector('input').focus();
  }

  async show(packet, predicts = false) {
    scrollTo(0, 0);
    const { scenario, family } = this;
    const all = await details(scenario.id);
    if (scenario !== this.scenario || family !== this.family) return; // another scenario was opened meanwhile
    this.data = { rungs: [], ...all[family] };
    const { rungs } = this.data;
    this.steps = rungs.map((rung, at) => at).filter((at) => rungs[at].k !== 'step');
    this.predicts = predicts;
    this.task = null;
    const first = (fits) => this.steps.findIndex((at) => fits(rungs[at]));
    const wanted = packet === undefined ? -1 : first((rung) => rung.n === packet);
    const begin = [wanted, first((rung) => rung.broke), first((rung) => rung.n !== undefined), 0].find((each) => each >= 0);
    this.missing = wanted < 0 ? packet : undefined;
    if (predicts) this.hide(Math.max(0, packet === undefined ? 0 : rungs.findIndex((rung) => rung.n === packet)));
    else this.hidden = { limit: rungs.length, states: rungs.length, title: -1 };
    this.at = this.isHiding ? this.end : Math.min(begin, this.end);
    if (this.isHiding) this.ask();
    this.draw();
    if (wanted > 0 && !this.isHiding) this.groups.get(this.steps[wanted]).scrollIntoView({ block: 'center' });
  }

  draw() {
    const { data, run } = this;
    const parts = [this.heading()];
    if (run.message && !this.isHiding) parts.push(h('p', { class: 'note' }, run.message));
    if (data.omitted) parts.push(h('p', { class: 'note' }, t('omitted', { count: data.omitted })));
    if (data.lost) parts.push(h('p', { class: 'note' }, t('lost_states', { count: data.lost })));
    if (this.missing !== undefined && this.steps.length) parts.push(h('p', { class: 'note' }, t('no_packet', { number: this.missing })));
    if (!this.steps.length) {
      this.root.replaceChildren(...parts, h('p', { class: 'lead' }, t('not_recorded')));
      return;
    }
    this.inspector = named('details', h('section', { class: 'inspector', id: 'inspector', tabindex: '0' }));
    this.counter = h('span', { class: 'count' });
    this.title = h('p', { class: 'step-title' });
    this.brief = h('p', { class: 'brief', 'aria-hidden': 'true' });
    this.root.replaceChildren(...parts, h('div', { class: 'stage' },
      h('div', { class: 'ladder-side' }, this.controls(), this.legend(), this.ladder()),
      this.task ? h('div', { class: 'side' }, this.task, this.inspector) : this.inspector));
    this.select(this.at, false);
    if (this.isHiding && !NARROW.matches) this.svg.querySelector('.hidden-segment').scrollIntoView({ block: 'nearest' });
  }

  // Nothing of it tells a segment that is still to be predicted: no title, claims or capture.
  heading() {
    const { scenario, run, data, isHiding } = this;
    const mode = this.predicts ? '/predict' : '';
    const at = index.scenarios.indexOf(scenario);
    const neighbour = (step, key, sign) => {
      const other = index.scenarios[at + step];
      if (!other) return '';
      const like = other.runs.find((each) => each.family === this.family) || other.runs[0];
      return named(key, h('a', { class: 'button', href: like.link + mode, title: other.id }, sign));
    };
    const families = scenario.runs.map((each) => h('a', {
      class: `family ${each.outcome}`, href: each.link + mode, 'aria-current': each.family === this.family ? 'true' : undefined,
    }, h('span', { 'aria-hidden': 'true' }, index.signs[each.outcome]), ` IPv${each.family}`, h('span', { class: 'hidden' }, ', ', t(`outcome_${each.outcome}`))));
    const claims = claimLinks([...new Set(data.rungs.flatMap((rung) => rung.claims || []))].sort((one, other) => one.slice(1) - other.slice(1)));
    return h('div', { class: 'scenario-head' },
      h('nav', { class: 'crumbs' }, h('a', { href: '#scenarios' }, '← ', t('back')), h('span', { class: 'neighbours' }, neighbour(-1, 'previous_scenario', '‹'), neighbour(1, 'next_scenario', '›'))),
      h('h1', {}, scenario.id), isHiding ? '' : h('p', { class: 'scenario-title' }, scenario.title),
      h('p', { class: 'meta' }, h('span', {}, scenario.section), h('span', { class: `verdict ${run.outcome}` }, h('span', { 'aria-hidden': 'true' }, index.signs[run.outcome]), ' ', t(`outcome_${run.outcome}`)),
        isHiding ? '' : h('span', {}, t('checks_count', { count: run.checks })), h('span', { class: 'families' }, families)),
      h('p', { class: 'meta' }, claims.length && !isHiding ? h('span', {}, t('claims_short'), ': ', claims.flatMap((each) => [each, ' '])) : '',
        data.capture && !isHiding ? h('a', { href: data.capture, download: `${scenario.id}-IPv${this.family}.pcapng` }, t('capture')) : '',
        this.predicts ? h('a', { href: run.link }, t('predict_leave')) : h('a', { href: `${run.link}/predict` }, t('predict_enter')), this.copyLink()));
  }

  copyLink() {
    const told = h('span', { role: 'status' });
    const copy = async () => {
      const copied = await navigator.clipboard.writeText(location.href).then(() => true, () => false);
      told.replaceChildren(...t(copied ? 'copied' : 'not_copied'));
    };
    return h('span', { class: 'copy' }, h('button', { type: 'button', click: copy }, t('copy_link')), ' ', told);
  }

  // What the numbers and arrows mean, and the numbers of the frames that are not drawn.
  legend() {
    const [example, hidden] = [(kind) => h('span', { class: `way ${kind}`, 'aria-hidden': 'true' }, kind === 'from-peer' ? '▶' : '◁'), this.isHiding ? '' : this.data.hidden];
    return h('div', { class: 'lead legend-text' },
      h('p', {}, example('from-peer'), ' ', t('peer_head'), ' ', example('from-kernel'), ' ', t('kernel_head'), ' · ', t('ladder_legend')),
      hidden ? h('p', {}, t('hidden_frames', { numbers: hidden })) : '');
  }

  controls() {
    const button = (key, sign, act) => named(key, h('button', { type: 'button', click: act, 'data-go': key }, sign));
    return h('div', { class: 'controls' }, this.brief,
      button('first', '⇤', () => this.select(0)), button('previous', '←', () => this.select(this.at - 1)),
      this.counter, button('next', '→', () => this.select(this.at + 1)), button('last', '⇥', () => this.select(this.end)),
      h('span', { class: 'keys' }, h('kbd', {}, '←'), ' ', h('kbd', {}, '→'), ' ', t('keys_hint')),
      h('button', { type: 'button', class: 'to-details', click: () => this.inspector.scrollIntoView({ block: 'start' }) }, t('details')),
      this.title);
  }

  // The drawing is markup made and escaped by the lab; parsed as XML, it runs no script.
  ladder() {
    const [width, height, body] = NARROW.matches ? this.data.narrow : this.data.wide;
    const text = `<svg xmlns="${SVG}" class="ladder" viewBox="0 0 ${width} ${height}">${body}</svg>`;
    const svg = document.importNode(new DOMParser().parseFromString(text, 'image/svg+xml').documentElement, true);
    svg.setAttribute('role', 'listbox');
    svg.setAttribute('tabindex', '0');
    svg.setAttribute('aria-describedby', 'ladder-help');
    named('ladder', svg);
    this.groups = new Map();
    for (const group of svg.querySelectorAll('g[data-at]')) {
      const at = Number(group.dataset.at);
      const rung = this.data.rungs[at];
      this.groups.set(at, group);
      group.id = `rung-${at}`;
      if (rung.k === 'step') {
        group.setAttribute('role', 'presentation');
        continue;
      }
      group.setAttribute('role', 'option');
      group.prepend(drawn('title', { 'data-texts': JSON.stringify(this.sentencesOf(at)) })); // the accessible name
      group.addEventListener('click', () => this.select(this.steps.indexOf(at), false));
    }
    this.links = drawn('g', { class: 'links' });
    svg.append(this.links);
    if (this.isHiding) cover(svg, this.groups, this.data, this.hidden);
    this.svg = svg;
    translate(svg);
    return h('div', { class: this.isHiding ? 'drawing predicting' : 'drawing' }, h('p', { class: 'hidden', id: 'ladder-help' }, t('ladder_help')), svg);
  }

  // The sentence of a rung, after the title of its step if it is the first rung of it.
  sentencesOf(at) {
    const { data: { rungs }, hidden } = this;
    const above = at - 1 === hidden.title ? undefined : rungs[at - 1];
    return told(rungs[at], at < hidden.states).map((text, lang) => (above && above.k === 'step' ? `${above.s[lang]} ${text}` : text));
  }

  // A key, wherever the focus is. Home and End belong to the ladder only; what scrolls sideways keeps its arrow keys.
  key(event) {
    if (!this.steps.length || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const moves = { ArrowDown: this.at + 1, ArrowRight: this.at + 1, j: this.at + 1, ArrowUp: this.at - 1, ArrowLeft: this.at - 1, k: this.at - 1 };
    if (event.target.closest('.ladder')) Object.assign(moves, { Home: 0, End: this.end });
    const sideways = ['ArrowLeft', 'ArrowRight'].includes(event.key) && event.target.scrollWidth > event.target.clientWidth;
    if (!(event.key in moves) || (sideways && event.target.matches('.dump'))) return;
    event.preventDefault();
    this.select(moves[event.key]);
  }

  select(step, aloud = true) {
    if (step < 0 || step > this.end) return;
    this.at = step;
    const at = this.steps[step];
    const rung = this.data.rungs[at];
    for (const [number, group] of this.groups) {
      const chosen = number === at;
      group.classList.toggle('selected', chosen);
      if (group.getAttribute('role') === 'option') group.setAttribute('aria-selected', String(chosen));
      group.classList.toggle('takes', chosen && Boolean(rung.seq) && rung.seq.slice(1).some(Boolean));
      group.classList.toggle('acks', chosen && Boolean(rung.q && rung.q.length));
      group.classList.toggle('acker', number === rung.r && rung.r !== null);
      group.classList.toggle('acked', (rung.q || []).includes(number));
    }
    this.svg.setAttribute('aria-activedescendant', `rung-${at}`);
    this.counter.replaceChildren(...t(this.isHiding ? 'step_number' : 'step_of', { at: step + 1, count: this.steps.length }));
    const titled = this.data.rungs.slice(0, at).findLastIndex((each) => each.k === 'step');
    const title = titled === this.hidden.title ? undefined : this.data.rungs[titled];
    this.title.replaceChildren(...(title ? recorded(title.x) : []));
    this.brief.replaceChildren(...both(told(rung, at < this.hidden.states)));
    for (const [key, end] of [['first', 0], ['previous', 0], ['next', this.end], ['last', this.end]]) {
      this.root.querySelector(`[data-go=${key}]`).setAttribute('aria-disabled', String(step === end));
    }
    const { field } = document.activeElement.dataset; // a field of the header keeps the focus from packet to packet
    this.inspector.replaceChildren(...inspected(this.data, at, title ? title.claims : [], (other) => this.select(this.steps.indexOf(other)), this.hidden));
    const same = field && [...this.inspector.querySelectorAll('.cell')].find((each) => each.dataset.field === field);
    if (same) same.focus({ preventScroll: true });
    const group = this.groups.get(at);
    if (aloud) {
      group.scrollIntoView({ block: 'nearest' });
      announce(this.sentencesOf(at)[LANGUAGES.indexOf(language())]);
    }
    this.connect(at, rung);
    if (rung.n && !this.predicts) replacePlace(`${this.run.link}/p${rung.n}`);
  }

  // Draw a curve from each sequence number to its acknowledgment.
  connect(at, rung) {
    const pairs = (rung.q || []).map((other) => [other, at, 'ack']);
    if (this.groups.has(rung.r)) pairs.push([at, rung.r, 'seq']);
    this.links.replaceChildren(...pairs.map(([from, to, kind]) => {
      const [start, end] = [this.groups.get(from).querySelector('.seq'), this.groups.get(to).querySelector('.ack')];
      if (!start || !end) return '';
      const [x1, y1, x2, y2] = [middle(start), middle(end)].flat();
      return drawn('path', { class: `link ${kind}`, d: `M${x1} ${y1 + 4}C${x1} ${y1 + 22} ${x2} ${y2 - 28} ${x2} ${y2 - 11}` });
    }));
  }
}

// Middle of a part of a text on its baseline, in coordinates of the drawing.
function middle(part) {
  const [first, last] = [part.getStartPositionOfChar(0), part.getEndPositionOfChar(part.getNumberOfChars() - 1)];
  return [(first.x + last.x) / 2, first.y];
}
