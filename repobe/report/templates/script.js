// Tables are whole without this; with it they sort by their headings and filter by a word or a verdict.
"use strict";
for (const box of document.querySelectorAll(".box")) {
  const table = box.querySelector("table"), body = table.tBodies[0], rows = [...body.rows];
  const tools = document.createElement("div"), count = document.createElement("output");
  const name = table.caption.dataset.name, chips = [];
  let verdict = "";

  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word)) && (!verdict || row.dataset.verdict === verdict);
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.verdict === verdict));
  };
  const choose = (wanted) => { verdict = wanted; show(); };

  tools.className = "tools";
  const label = document.createElement("label"), field = document.createElement("input");
  field.type = "search";
  field.addEventListener("input", show);
  label.append("Filter ", field);
  field.setAttribute("aria-label", `Filter ${name}`);
  tools.append(label);
  for (const found of new Set(rows.map((row) => row.dataset.verdict).filter(Boolean))) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = `chip ${found.replace(" ", "-")}`;
    chip.dataset.verdict = found;
    chip.textContent = found;
    chip.addEventListener("click", () => choose(verdict === found ? "" : found));
    chips.push(chip);
    tools.append(chip);
  }
  tools.append(count);
  box.before(tools);
  for (const link of document.querySelectorAll(`a[data-table="${table.id}"]`)) {
    link.addEventListener("click", () => choose(link.dataset.verdict));
  }

  const value = (row, column) => {
    const text = row.cells[column].dataset.sort;
    return text === "" ? null : isNaN(text) ? text : Number(text);
  };
  const order = (a, b) => typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sorted = [...rows].sort((one, two) => {
        const a = value(one, column), b = value(two, column);
        if (a === null || b === null) return (a === null) - (b === null); // what is missing comes last either way
        return down ? order(b, a) : order(a, b);
      });
      body.append(...sorted);
    });
  });
  show();
}
