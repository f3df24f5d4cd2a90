// @ts-check
/* Shows what one layer or head keeps, where they differ. */
'use strict';

(() => {
  const choices = /** @type {HTMLElement} */ (document.querySelector('.choices'));
  const heads = Number(choices.dataset.heads);
  const runs = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-marks]'));

  /** @param {string} name @returns {number | undefined} */
  const chosen = (name) => {
    const select = /** @type {HTMLSelectElement | null} */ (document.getElementById(name));
    return select === null || select.value === '' ? undefined : Number(select.value);
  };

  choices.addEventListener('change', () => {
    const [layer, head] = [chosen('layer'), chosen('head')];
    for (const run of runs) {
      const marks = [...(run.dataset.marks ?? '')].filter(
        (_, i) =>
          (layer === undefined || Math.floor(i / heads) === layer) &&
          (head === undefined || i % heads === head),
      );
      const count = marks.filter((mark) => mark === '1').length;
      run.className = `s${Math.ceil((10 * count) / marks.length)}`;
    }
  });
})();
