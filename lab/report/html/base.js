// Base of the other scripts: elements, texts in two languages, settings, and packed data.

const LANGUAGES = ['en', 'zh'];
const SVG = 'http://www.w3.org/2000/svg';
let index = null; // texts, tables of signs and names, scenarios, rules and sentences of the run

// Make an element. A function as attribute value becomes an event listener; children are nodes or strings, never markup.
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false || value === null) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  const shown = children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== '');
  element.append(...(attributes.lang ? shown : shown.flatMap(recorded)));
  return element;
}

// Make an element of a drawing.
function drawn(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A text of the recording in each language, where the page has it in Chinese too.
function recorded(text) {
  return typeof text === 'string' && Object.hasOwn(index.texts, text) ? both([text, index.texts[text]]) : [text];
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
}

function language() {
  return document.documentElement.dataset.lang;
}

// A text of the page in the current language.
function say(key, values = {}) {
  return filled(index.words[key][language()], values);
}

// A text of the page in each language; the style shows one of them.
function t(key, values = {}) {
  return LANGUAGES.map((each) => h('span', { lang: each }, filled(index.words[key][each], values)));
}

// A sentence given in both languages.
function both(texts) {
  return LANGUAGES.map((each, at) => h('span', { lang: each }, texts[at]));
}

// Give an element an accessible name that changes with the language.
function named(key, element) {
  element.dataset.label = key;
  element.setAttribute('aria-label', say(key));
  return element;
}

function remember(name, value) {
  try {
    localStorage.setItem(`tcp-packet-lab.${name}`, value);
  } catch {
    // a page from disk may have no storage
  }
}

function remembered(name) {
  try {
    return localStorage.getItem(`tcp-packet-lab.${name}`);
  } catch {
    return null;
  }
}

// A part of the URL fragment as text.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function unpacked(element) {
  const octets = Uint8Array.from(atob(element.textContent), (each) => each.charCodeAt(0));
  const stream = new Blob([octets]).stream().pipeThrough(new DecompressionStream('deflate'));
  return JSON.parse(await new Response(stream).text());
}

const detailsOf = new Map();

// Everything about one scenario, by address family.
async function details(id) {
  if (!detailsOf.has(id)) {
    const elements = [...document.querySelectorAll('script[data-scenario]')];
    const element = elements.find((each) => each.dataset.scenario === id);
    detailsOf.set(id, element ? unpacked(element) : Promise.resolve(null));
  }
  return detailsOf.get(id);
}

function setLanguage(language_) {
  const root = document.documentElement;
  root.lang = language_ === 'zh' ? 'zh-Hans' : 'en';
  root.dataset.lang = language_;
  for (const button of document.querySelectorAll('[data-language]')) {
    button.setAttribute('aria-pressed', String(button.dataset.language === language_));
  }
  translate(document);
  entitle(tab);
  remember('language', language_);
}

let tab = null; // what the tab's title names; null: the whole page

function entitle(subject) {
  tab = subject;
  document.title = subject ? `${subject} · ${say('brand')}` : `${say('page_title')}: ${index.kernel}`;
}

// Change the URL fragment without a new entry of the history.
function replacePlace(place) {
  history.replaceState(history.state, '', place);
}

// Translate what cannot contain both languages: attributes, menu options, texts in drawings.
function translate(root) {
  for (const each of root.querySelectorAll('[data-label]')) each.setAttribute('aria-label', say(each.dataset.label));
  for (const each of root.querySelectorAll('[data-placeholder]')) each.placeholder = say(each.dataset.placeholder);
  for (const each of root.querySelectorAll('[data-w]')) each.textContent = say(each.dataset.w);
  for (const each of root.querySelectorAll('[data-texts]')) each.textContent = JSON.parse(each.dataset.texts)[LANGUAGES.indexOf(language())];
}

function setTheme(theme) {
  const root = document.documentElement;
  if (theme === 'auto') delete root.dataset.theme;
  else root.dataset.theme = theme;
  document.getElementById('theme').value = theme;
  remember('theme', theme);
}

function announce(text) {
  document.getElementById('announcer').textContent = text;
}
