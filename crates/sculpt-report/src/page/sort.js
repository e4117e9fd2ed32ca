'use strict';
// Headers of sortable tables become buttons: upwards, downwards, back to the frame's order. Cells without a value stay last.
(() => {
  const words = new Intl.Collator('en', { numeric: true });
  const NEXT = { none: 'ascending', ascending: 'descending', descending: 'none' };

  // A title holds the number in full; NaN and the infinities count as no value.
  const number = (cell) => {
    const value = parseFloat(cell.title || cell.textContent.replace('\u2212', '-'));
    return Number.isFinite(value) ? value : null;
  };
  const word = (cell) => cell.textContent.trim() || null;

  const sorted = (rows, column, isNumber, direction) => {
    if (direction === 'none') return rows;
    const sign = direction === 'ascending' ? 1 : -1;
    const keyed = rows.map((row) => {
      const cell = row.cells[column];
      return { row, key: isNumber ? number(cell) : word(cell) };
    });
    keyed.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return sign * (isNumber ? a.key - b.key : words.compare(a.key, b.key));
    });
    return keyed.map((entry) => entry.row);
  };

  for (const table of document.querySelectorAll('table.sortable')) {
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...table.tBodies[0].rows];
    heads.forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const direction = NEXT[head.getAttribute('aria-sort') ?? 'none'];
        heads.forEach((other) => other.removeAttribute('aria-sort'));
        if (direction !== 'none') head.setAttribute('aria-sort', direction);
        table.tBodies[0].append(...sorted(rows, column, head.dataset.kind === 'number', direction));
      });
    });
  }
})();
