(() => {
  'use strict';
  // Show the page in the other language.
  const select = (language) => {
    const root = document.documentElement;
    root.lang = language === 'zh' ? 'zh-Hans' : 'en';
    root.dataset.lang = language;
    for (const button of document.querySelectorAll('[data-language]')) {
      button.setAttribute('aria-pressed', String(button.dataset.language === language));
    }
  };
  for (const button of document.querySelectorAll('[data-language]')) button.addEventListener('click', () => select(button.dataset.language));
  select(document.documentElement.dataset.lang);
  document.documentElement.dataset.ready = 'true';
})();
