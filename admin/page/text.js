// Elements and text. All text gets into the page by textContent, so markup in a record stays text.

// el makes an element with attributes and children: elements or strings.
export function el(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

export const byId = (id) => document.getElementById(id);

// set changes an element's text if it differs, so that a selection in it lasts.
export function set(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

const numbers = new Intl.NumberFormat('en-US');
export const count = (n) => numbers.format(n);

// perSecond writes a rate: 3 digits are enough.
export function perSecond(n) {
  return n >= 10 || n === 0 ? count(Math.round(n)) : numbers.format(Number(n.toPrecision(2)));
}

export function bytes(n) {
  let unit = 0;
  while (n >= 1024 && unit < 4) { n /= 1024; unit++; }
  return `${unit > 0 && n < 10 ? n.toFixed(1) : Math.round(n)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} days`;
}

export const percent = (part) => `${(100 * part).toFixed(part < 0.0995 ? 1 : 0)} %`;

// visible replaces characters that can't be seen, or that change how others are shown (control characters, marks of direction,
// separators of lines), by their code.
export function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) =>
    c === '\n' || c === '\t' ? c : `\\u${c.codePointAt(0).toString(16).padStart(4, '0')}`);
}

// keyed makes the children of parent those of items, in their order. An element that is there already for an item's key stays.
export function keyed(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((e) => [e.dataset.key, e]));
  let at = null;
  for (const item of items) {
    const k = key(item);
    let e = old.get(k);
    if (!e) {
      e = make(item);
      e.dataset.key = k;
    }
    old.delete(k);
    const place = at ? at.nextElementSibling : parent.firstElementChild;
    if (place !== e) parent.insertBefore(e, place);
    update?.(e, item);
    at = e;
  }
  for (const e of old.values()) e.remove();
}
