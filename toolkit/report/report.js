"use strict";
// Sorting and searching on screen. The report says everything without it; nothing leaves the page.
(() => {
  const words = document.body.dataset;
  const filled = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  const keyOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    const stated = cell.dataset.sort;
    if (stated !== undefined && stated !== "" && !isNaN(stated)) return Number(stated);
    return stated ?? cell.textContent.trim();
  };
  const order = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b
      : String(a).localeCompare(String(b), document.documentElement.lang, { numeric: true });

  const makeSortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const name = head.textContent;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.textContent = name;
      button.title = filled(words.sortBy, { name });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", direction);
        const sign = direction === "ascending" ? 1 : -1;
        const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
        rows.sort((a, b) => sign * order(a[0], b[0]));
        table.tBodies[0].append(...rows.map((pair) => pair[1]));
      });
    });
  };
  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    if (table.tHead && body && body.rows.length > 1 && !body.querySelector("[scope=rowgroup], [rowspan]")) {
      makeSortable(table);
    }
  }

  const evidence = document.getElementById("evidence");
  if (!evidence) return;
  const items = [...evidence.querySelectorAll("article, tbody > tr")].filter(
    (item) => !(item.tagName === "TR" && (item.closest("article") || item.closest("table.facts"))));
  const texts = items.map((item) => item.textContent.toLowerCase());
  const closed = new Set([...evidence.querySelectorAll("details:not([open])")]);

  const box = document.createElement("input");
  box.type = "search";
  box.id = "search";
  const label = document.createElement("label");
  label.htmlFor = "search";
  label.textContent = words.search;
  const status = document.createElement("span");
  status.setAttribute("role", "status");
  const bar = document.createElement("search");
  bar.className = "search-bar";
  bar.append(label, box, status);
  evidence.prepend(bar);

  box.addEventListener("input", () => {
    const wanted = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, place) => {
      const hit = wanted.every((word) => texts[place].includes(word));
      item.hidden = !hit;
      if (hit) shown += 1;
    });
    for (const fold of closed) {
      fold.open = wanted.length > 0 && fold.querySelector("tbody > tr:not([hidden])") !== null;
    }
    status.textContent = wanted.length ? filled(words.searchFound, { count: shown, total: items.length }) : "";
  });
})();
