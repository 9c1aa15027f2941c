// The URL fragment selects the view: the overview, a scenario and a packet of it, or a search.

async function start() {
  if (!('DecompressionStream' in window)) {
    document.getElementById('too-old').hidden = false;
    return;
  }
  index = await unpacked(document.getElementById('index'));
  const views = ['overview', 'scenario', 'results'].map((id) => document.getElementById(id));
  const stage = new Stage(document.getElementById('scenario'));
  const field = document.getElementById('search');

  const only = (id) => views.forEach((view) => { view.hidden = view.id !== id; });

  const route = async () => {
    const place = location.hash;
    const scenario = place.match(/^#\/([^/]+)\/([46])(?:\/p(\d+))?$/);
    if (scenario && stage.open(decodeURIComponent(scenario[1]), Number(scenario[2]))) {
      only('scenario');
      await stage.show(Number(scenario[3]));
      document.getElementById('content').focus({ preventScroll: true });
      return;
    }
    const query = place.match(/^#\?(.+)$/);
    if (query) {
      document.getElementById('results').replaceChildren(...search(decodeURIComponent(query[1])));
      only('results');
      return;
    }
    const back = !document.getElementById('overview').hidden;
    only('overview');
    const target = place.length > 1 ? document.getElementById(decodeURIComponent(place.slice(1))) : null;
    if (target) {
      if (target.matches('details')) target.open = true;
      target.scrollIntoView();
    } else if (!back) {
      scrollTo(0, 0);
    }
  };

  field.addEventListener('input', () => {
    const query = field.value.trim();
    history.replaceState(null, '', query ? `#?${encodeURIComponent(query)}` : '#');
    route();
  });
  document.getElementById('search-form').addEventListener('submit', (event) => event.preventDefault());
  addEventListener('hashchange', route);
  addEventListener('keydown', (event) => {
    if (event.key === '/' && !event.target.closest('input, select, textarea')) {
      event.preventDefault();
      field.focus();
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
