// @ts-check
/* What the page can do beyond reading: sort tables, show values of charts, open what a link leads to, change theme. */
'use strict';

/** @param {HTMLTableElement} table */
function makeSortable(table) {
  const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
  const collator = new Intl.Collator('en', { numeric: true });

  /** @param {HTMLTableRowElement} row @param {number} column */
  const keyOf = (row, column) => row.cells[column].dataset.key ?? '';

  /** @param {string} a @param {string} b */
  const compare = (a, b) =>
    isNaN(Number(a)) || isNaN(Number(b)) ? collator.compare(a, b) : Number(a) - Number(b);

  /** @param {number} column @param {1 | -1} sign */
  const sort = (column, sign) => {
    const rows = [...table.tBodies[0].rows];
    rows.sort((one, other) => {
      const [a, b] = [keyOf(one, column), keyOf(other, column)];
      // What was not measured stays at the end.
      if (a === '' || b === '') return Number(a === '') - Number(b === '');
      return sign * compare(a, b);
    });
    table.tBodies[0].append(...rows);
  };

  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const upwards = head.getAttribute('aria-sort') !== 'ascending';
      for (const other of heads) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', upwards ? 'ascending' : 'descending');
      sort(column, upwards ? 1 : -1);
    });
  });
}

const tip = document.createElement('div');
tip.className = 'tip';
tip.setAttribute('aria-hidden', 'true');
tip.hidden = true;
document.body.append(tip);

/** @param {Element} value */
function showTip(value) {
  tip.textContent = value.getAttribute('aria-label');
  tip.hidden = false;
  const place = value.getBoundingClientRect();
  const left = place.left + place.width / 2 - tip.offsetWidth / 2;
  const room = document.documentElement.clientWidth - tip.offsetWidth - 4;
  const above = place.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.max(4, Math.min(left, room)) + scrollX}px`;
  tip.style.top = `${(above < 0 ? place.bottom + 8 : above) + scrollY}px`;
}

/** One stop of the Tab key a chart; arrow keys go from value to value. @param {HTMLElement} chart */
function makeReachable(chart) {
  const values = [...chart.querySelectorAll('[aria-roledescription="value"]')];
  const stops = values.map((value) => /** @type {SVGElement} */ (value.closest('a') ?? value));
  stops.forEach((stop, i) => {
    const value = values[i];
    value.querySelector('title')?.remove();
    if (stop !== value) stop.setAttribute('aria-label', value.getAttribute('aria-label') ?? '');
    stop.setAttribute('tabindex', i === 0 ? '0' : '-1');
    stop.addEventListener('focus', () => showTip(value));
    stop.addEventListener('blur', () => (tip.hidden = true));
    value.addEventListener('pointerenter', () => showTip(value));
    value.addEventListener('pointerleave', () => (tip.hidden = true));
    stop.addEventListener('keydown', (event) => {
      /** @type {Record<string, number>} */
      const places = {
        ArrowRight: i + 1,
        ArrowDown: i + 1,
        ArrowLeft: i - 1,
        ArrowUp: i - 1,
        Home: 0,
        End: stops.length - 1,
      };
      if (event.key === 'Escape') tip.hidden = true;
      const next = stops[places[event.key]];
      if (next === undefined) return;
      event.preventDefault();
      for (const other of stops) other.setAttribute('tabindex', other === next ? '0' : '-1');
      next.focus();
    });
  });
}

/** Opens the details that the address names, and those around it. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target === null) return;
  for (let at = target.closest('details'); at; at = at.parentElement?.closest('details') ?? null)
    at.open = true;
  target.scrollIntoView();
}

function makeThemeButton() {
  const themes = ['auto', 'light', 'dark'];
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'theme';
  let theme = 'auto';
  try {
    theme = localStorage.getItem('kvd-theme') ?? 'auto';
  } catch {
    // Some browsers keep nothing for pages from disk.
  }
  const apply = () => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    apply();
    try {
      localStorage.setItem('kvd-theme', theme);
    } catch {
      // As above: then it holds for this visit.
    }
  });
  apply();
  document.querySelector('header')?.prepend(button);
}

for (const table of document.querySelectorAll('table.sortable'))
  makeSortable(/** @type {HTMLTableElement} */ (table));
for (const chart of document.querySelectorAll('.chart')) makeReachable(/** @type {HTMLElement} */ (chart));
makeThemeButton();
addEventListener('hashchange', openTarget);
openTarget();
// A link to where one already is changes no address.
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (link !== null && link.getAttribute('href') === location.hash) openTarget();
});

/** @type {HTMLDetailsElement[]} */
let openedForPrint = [];
addEventListener('beforeprint', () => {
  openedForPrint = [...document.querySelectorAll('details')].filter((details) => !details.open);
  for (const details of openedForPrint) details.open = true;
});
addEventListener('afterprint', () => {
  for (const details of openedForPrint) details.open = false;
});
