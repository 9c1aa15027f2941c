// The URL fragment selects the view: the overview, a scenario and a packet of it, or a search. A page of one scenario
// opens with it. In predict mode the packet is the one to be predicted.

const SCENARIO = /^#\/([^/]+)(?:\/([46]))?(?:\/p(\d+))?(\/predict)?$/;

async function start() {
  if (!('DecompressionStream' in window)) {
    document.getElementById('too-old').hidden = false;
    return;
  }
  index = await unpacked(document.getElementById('index'));
  const views = ['overview', 'scenario', 'results'].map((id) => document.getElementById(id));
  const stage = new Stage(document.getElementById('scenario'));
  const field = document.getElementById('search');
  const content = document.getElementById('content');

  const only = (id, title = null) => {
    views.forEach((view) => { view.hidden = view.id !== id; });
    entitle(title);
  };

  const view = async (place) => {
    const scenario = place.match(SCENARIO);
    if (scenario && stage.open(decoded(scenario[1]), Number(scenario[2]))) {
      only('scenario', `${stage.scenario.id} IPv${stage.family}`);
      await stage.show(scenario[3] && Number(scenario[3]), Boolean(scenario[4]));
      return;
    }
    const query = place.match(/^#\?(.+)$/);
    if (query) {
      document.getElementById('results').replaceChildren(...search(decoded(query[1]), stage));
      only('results', decoded(query[1]));
      return;
    }
    const target = document.getElementById(decoded(place.slice(1)));
    if (place.length > 1 && !(target && target.closest('#overview'))) {
      document.getElementById('results').replaceChildren(nothingAt(decoded(place)));
      only('results', decoded(place));
      return;
    }
    const moved = document.getElementById('overview').hidden;
    only('overview');
    if (target) {
      if (target.matches('details')) target.open = true;
      target.scrollIntoView();
    } else if (moved) {
      scrollTo(0, 0);
    }
  };

  const entries = new Map(); // scroll position and focus of each entry of the history
  let newest = performance.timeOrigin; // differs from the numbers of the entries before a reload
  let current = null;

  const route = async () => {
    if (entries.has(current)) entries.get(current).focus = document.activeElement;
    if (!history.state) history.replaceState(newest += 1, '');
    current = history.state;
    const left = entries.get(current);
    const entry = { y: 0, ...left };
    entries.set(current, entry);
    const { y } = entry;
    await view(location.hash.length < 2 && index.scenarios.length === 1 ? index.scenarios[0].runs[0].link : location.hash);
    if (current !== history.state) return;
    if (left) scrollTo(0, y);
    if (left && left.focus && left.focus.isConnected) left.focus.focus({ preventScroll: true });
    else if (document.getElementById('overview').hidden) (document.querySelector('#scenario:not([hidden]) form input') || content).focus({ preventScroll: true });
  };

  addEventListener('scroll', () => {
    if (current !== null && current === history.state) entries.get(current).y = scrollY;
  }, { passive: true });
  field.addEventListener('input', () => {
    const query = field.value.trim();
    replacePlace(query ? `#?${encodeURIComponent(query)}` : '#');
    view(location.hash);
  });
  document.getElementById('search-form').addEventListener('submit', (event) => event.preventDefault());
  document.querySelector('.to-content').addEventListener('click', (event) => {
    event.preventDefault();
    content.focus();
  });
  addEventListener('hashchange', route);
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.target.closest('input, select, textarea')) return;
    if (event.key === '/') {
      event.preventDefault();
      field.focus();
    } else if (!document.getElementById('scenario').hidden) {
      stage.key(event);
    }
  });
  for (const button of document.querySelectorAll('[data-language]')) button.addEventListener('click', () => setLanguage(button.dataset.language));
  document.getElementById('theme').addEventListener('change', (event) => setTheme(event.target.value));
  filters();
  setTheme(['light', 'dark'].includes(remembered('theme')) ? remembered('theme') : 'auto');
  setLanguage(LANGUAGES.includes(remembered('language')) ? remembered('language') : navigator.language.startsWith('zh') ? 'zh' : 'en');
  await route();
  document.documentElement.dataset.ready = 'true';
}

start();
