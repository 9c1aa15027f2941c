// Headers of a packet as in the RFCs, 32 bits in a row, and its bytes.

const OPEN_LAYERS = new Set(['tcp', 'payload', 'other']);

class Packet {
  constructor(octets, rung) {
    this.octets = octets;
    this.rung = rung;
    this.layers = dissect(octets, rung.o || []);
    this.fields = this.layers.flatMap((layer) => layer.fields);
    this.cells = new Map(); // cells of each field
    this.bytes = [];
    this.detail = h('p', { class: 'field-detail', 'aria-live': 'polite' });
    this.chosen = null;
  }

  view() {
    const parts = [h('h3', {}, t('header'))];
    for (const layer of this.layers) {
      if (layer.name === 'payload') continue;
      const size = layer.fields.reduce((sum, each) => sum + each.count, 0) / 8;
      parts.push(h('details', { class: 'layer', open: OPEN_LAYERS.has(layer.name) },
        h('summary', {}, t(`layer_${layer.name}`), ' ', h('small', {}, `${size} B`)), this.grid(layer)));
    }
    parts.push(this.detail);
    parts.push(h('h3', {}, t('bytes')), h('p', { class: 'lead' }, t('bytes_note')), this.dump());
    parts.push(h('details', { class: 'all-fields' }, h('summary', {}, t('as_table')), this.table()));
    return h('div', { class: 'packet' }, parts);
  }

  grid(layer) {
    const grid = named(`layer_${layer.name}`, h('div', { class: 'grid', role: 'group' }));
    if (layer.name !== 'other') {
      for (const bit of [0, 8, 16, 24]) {
        const tick = h('span', { class: 'tick', 'aria-hidden': 'true' }, String(bit));
        tick.style.gridColumn = `${bit + 1} / span 8`;
        grid.append(tick);
      }
    }
    for (const each of layer.fields) this.cellsOf(each).forEach((cell) => grid.append(cell));
    this.rove(grid, layer.fields.map((each) => this.cells.get(each).find((cell) => cell.dataset.field)));
    return grid;
  }

  // Roving tabindex: one Tab stop for all cells; left and right move between fields, up and down between packets.
  rove(grid, cells) {
    cells.forEach((cell, at) => { cell.tabIndex = at ? -1 : 0; });
    grid.addEventListener('keydown', (event) => {
      const at = cells.indexOf(event.target);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: cells.length - 1 }[event.key];
      if (at < 0 || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      if (!cells[to]) return;
      cells.forEach((cell) => { cell.tabIndex = cell === cells[to] ? 0 : -1; });
      cells[to].focus();
    });
  }

  // A button for each row of 32 bits that a field covers; full rows share one. Only the widest has a label.
  cellsOf(each) {
    const pieces = [];
    for (let at = each.column, end = each.column + each.count; at < end;) {
      const whole = at % 32 === 0 ? Math.floor((end - at) / 32) : 0;
      const count = whole ? whole * 32 : Math.min(32 - (at % 32), end - at);
      pieces.push({ at, count, rows: whole || 1 });
      at += count;
    }
    const widest = pieces.reduce((best, piece) => (piece.count > best.count ? piece : best));
    this.cells.set(each, []);
    return pieces.map((piece) => {
      const main = piece === widest;
      const bit = each.count === 1;
      const cell = h('button', {
        type: 'button',
        class: `cell${bit ? ' bit' : ''}${bit && each.value === '1' ? ' set' : ''}${piece.count < 6 && !bit ? ' slim' : ''}`,
        tabindex: main ? undefined : '-1',
        'aria-hidden': main ? undefined : 'true',
        click: () => this.choose(each),
        focus: () => this.choose(each),
        mouseenter: () => this.light(each),
        mouseleave: () => this.light(this.chosen),
      });
      if (main) cell.dataset.field = `${each.layer} ${each.option || each.name}`;
      cell.style.gridColumn = `${(piece.at % 32) + 1} / span ${Math.min(piece.count, 32)}`;
      if (piece.rows > 1) cell.style.gridRow = `span ${Math.min(piece.rows, 2)}`;
      if (main) {
        if (bit) cell.append(h('span', { class: 'letter', 'aria-hidden': 'true' }, each.name.slice(0, 3)), h('span', { class: 'hidden' }, this.name(each)));
        else cell.append(h('span', { class: 'what' }, this.name(each)));
        cell.append(h('b', {}, this.shown(each)));
      }
      this.cells.get(each).push(cell);
      return cell;
    });
  }

  name(each) {
    return each.option ? each.option : t(`f_${each.name}`);
  }

  shown(each) {
    if (each.layer === 'tcp' && each.name === 'seq') return `${each.value} (${this.rung.seq ? this.rung.seq[0] : ''})`;
    if (each.layer === 'tcp' && each.name === 'ack' && this.rung.ack !== undefined) return `${each.value} (${this.rung.ack})`;
    return each.value;
  }

  choose(each) {
    this.chosen = each;
    this.light(each);
    const help = this.help(each);
    this.detail.replaceChildren(
      h('b', {}, this.name(each)), ' ', h('span', { class: 'mono' }, this.shown(each)), ' ',
      h('small', {}, t('bits'), ` ${this.place(each)}`, each.count <= 32 ? ` · ${bitsOf(this.octets, each.first, each.count)}` : ''),
      help ? h('span', { class: 'help' }, help) : '',
    );
  }

  place(each) {
    const last = each.column + each.count - 1;
    return each.count === 1 ? `${each.column}` : `${each.column}–${last}`;
  }

  help(each) {
    const key = each.option ? `h_o_${each.option}` : `h_${each.name}`;
    if (each.layer !== 'tcp' || !(key in index.words)) return null;
    return t(key, {
      relative: each.name === 'seq' ? (this.rung.seq || [''])[0] : this.rung.ack ?? '–',
      bytes: Number(each.value) * 4,
    });
  }

  light(each) {
    for (const [other, cells] of this.cells) cells.forEach((cell) => cell.classList.toggle('lit', other === each));
    this.bytes.forEach((byte, at) => byte.forEach((part) => part.classList.toggle('lit', Boolean(each) && at >= each.start && at < each.end)));
  }

  dump() {
    const rows = [];
    const texts = hex(this.octets);
    for (let from = 0; from < texts.length; from += 16) {
      const row = { hex: [], text: [] };
      for (let at = from; at < Math.min(from + 16, texts.length); at += 1) {
        const octet = this.octets[at];
        const owner = this.fields.find((each) => at >= each.start && at < each.end);
        const reacts = owner ? {
          mouseenter: () => this.light(owner), mouseleave: () => this.light(this.chosen), click: () => this.choose(owner),
        } : {};
        const number = h('span', { class: `byte${at % 8 === 0 && at % 16 ? ' half' : ''}`, ...reacts }, texts[at]);
        const letter = h('span', reacts, octet > 32 && octet < 127 ? String.fromCharCode(octet) : '·');
        this.bytes.push([number, letter]);
        row.hex.push(number);
        row.text.push(letter);
      }
      rows.push(h('div', { class: 'row' }, h('span', { class: 'offset' }, from.toString(16).padStart(4, '0')),
        h('span', { class: 'hex' }, row.hex), h('span', { class: 'ascii', 'aria-hidden': 'true' }, row.text)));
    }
    return named('bytes', h('div', { class: 'dump mono', role: 'group', tabindex: '0' }, rows));
  }

  table() {
    const rows = [];
    for (const layer of this.layers) {
      rows.push(h('tr', {}, h('th', { colspan: '4', scope: 'rowgroup' }, t(`layer_${layer.name}`))));
      for (const each of layer.fields) {
        rows.push(h('tr', {}, h('th', { scope: 'row' }, this.name(each)), h('td', {}, this.place(each)),
          h('td', { class: 'mono' }, this.shown(each)),
          h('td', { class: 'mono' }, each.count < 16 ? bitsOf(this.octets, each.first, each.count) : hex(this.octets.subarray(each.start, each.end)).join(' '))));
      }
    }
    return h('table', {}, h('thead', {}, h('tr', {}, ['field', 'bits', 'value', 'on_the_wire'].map((key) => h('th', { scope: 'col' }, t(key))))),
      h('tbody', {}, rows));
  }
}
