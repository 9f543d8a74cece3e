// Tables are readable without this. With it they sort by their headings, filter by a word or a verdict, and grow from
// the JSON beside them as the reader comes near their end; claims filter by verdict; markers of figures say their value.
"use strict";
const CHUNK = 100; // rows added at a time
document.documentElement.classList.add("scripted");

function chipFor(verdict, onClick) {
  const chip = document.createElement("button");
  chip.type = "button";
  chip.className = `chip ${verdict.replaceAll(" ", "-")}`;
  chip.dataset.verdict = verdict;
  chip.textContent = verdict;
  chip.addEventListener("click", onClick);
  return chip;
}

// Rows as data: {cells: [{text, sort, kind}], text, verdict, row}; `row` is the table's row once it is there.
function readRow(row) {
  const cells = [...row.cells].map((cell) => ({
    text: cell.textContent, sort: cell.dataset.sort ?? cell.textContent, kind: cell.className,
  }));
  return { cells, text: row.textContent.toLowerCase(), verdict: row.dataset.verdict ?? "", row };
}

function readMore(script) {
  if (!script) return [];
  const { entries, rows } = JSON.parse(script.textContent);
  return rows.map((numbers) => {
    const cells = numbers.map((number) => {
      const [text, sort, kind] = entries[number];
      return { text, sort: sort ?? "", kind };
    });
    return { cells, text: cells.map((cell) => cell.text).join(" ").toLowerCase(), verdict: "", row: null };
  });
}

function made(one, headings) {
  const row = document.createElement("tr");
  one.cells.forEach((cell, column) => {
    const made = document.createElement(column ? "td" : "th");
    if (!column) made.scope = "row";
    made.className = cell.kind;
    made.dataset.label = headings[column];
    if (cell.kind === "command" && column) {
      const details = document.createElement("details"), summary = document.createElement("summary");
      const code = document.createElement("code");
      summary.textContent = "command";
      code.textContent = cell.text;
      details.append(summary, code);
      made.append(details);
    } else {
      made.textContent = cell.text;
    }
    row.append(made);
  });
  return row;
}

for (const box of document.querySelectorAll(".box")) {
  const table = box.querySelector("table"), body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const all = [...body.rows].map(readRow).concat(readMore(box.querySelector("script")));
  const tools = document.createElement("div"), count = document.createElement("output");
  const more = document.createElement("button"), name = table.caption.dataset.name, chips = [];
  let verdict = "", order = all, fitting = all;
  let shown = matchMedia("(max-width: 40rem)").matches ? Math.min(10, body.rows.length) : body.rows.length;
  const rest = table.querySelector(".rest"), file = rest?.querySelector("code");

  const draw = () => {
    body.replaceChildren(...fitting.slice(0, shown).map((one) => (one.row ??= made(one, headings))));
    const there = Math.min(shown, fitting.length);
    more.hidden = there === fitting.length;
    if (rest) { // on paper, where nothing grows
      rest.textContent = there < all.length ? `. ${there} of ${all.length} rows` : "";
      if (file && rest.textContent) rest.append("; all of them are in ", file);
    }
    more.textContent = `Show more (${fitting.length - there} left)`;
    count.textContent = fitting.length < all.length ? `${fitting.length} of ${all.length} rows` : `${all.length} rows`;
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.verdict === verdict));
  };
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    fitting = order.filter((one) => words.every((word) => one.text.includes(word))
      && (!verdict || one.verdict === verdict));
    draw();
  };
  const choose = (wanted) => { verdict = wanted; show(); };

  tools.className = "tools";
  const label = document.createElement("label"), field = document.createElement("input");
  field.type = "search";
  field.addEventListener("input", show);
  label.append("Filter ", field);
  field.setAttribute("aria-label", `Filter ${name}`);
  if (all.length > 2) tools.append(label);
  for (const found of new Set(all.map((one) => one.verdict).filter(Boolean))) {
    const chip = chipFor(found, () => choose(verdict === found ? "" : found));
    chips.push(chip);
    tools.append(chip);
  }
  if (all.length > 2) tools.append(count);
  box.before(tools);
  more.type = "button";
  more.className = "more";
  const grow = () => { shown += CHUNK; draw(); };
  more.addEventListener("click", grow);
  box.after(more);
  // On a phone a row fills half a screen: there the reader asks for more.
  if (!matchMedia("(max-width: 40rem)").matches) new IntersectionObserver((seen) => { if (seen[0].isIntersecting && !more.hidden) grow(); }, { rootMargin: "200px" })
    .observe(more);
  for (const link of document.querySelectorAll(`a[data-table="${table.id}"]`)) {
    link.addEventListener("click", () => choose(link.dataset.verdict));
  }

  const value = (one, column) => {
    const text = one.cells[column].sort;
    return text === "" || text === "–" ? null : isNaN(text) ? text : Number(text);
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number"
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
      order = [...all].sort((one, two) => {
        const a = value(one, column), b = value(two, column);
        if (a === null || b === null) return (a === null) - (b === null); // what is missing comes last either way
        return down ? compare(b, a) : compare(a, b);
      });
      show();
    });
  });
  draw();
}

// Claims: the chips of the head and of the section show those of one verdict.
const claims = [...document.querySelectorAll("article.claim")], claimChips = [];
let claimVerdict = "";
const chooseClaims = (wanted) => {
  claimVerdict = claimVerdict === wanted ? "" : wanted;
  for (const claim of claims) claim.hidden = Boolean(claimVerdict) && claim.dataset.verdict !== claimVerdict;
  const unrun = document.getElementById("unrun"); // closed until somebody asks for it
  if (unrun) [unrun.open, unrun.hidden] = [claimVerdict === "not run", Boolean(claimVerdict) && claimVerdict !== "not run"];
  for (const chip of claimChips) chip.setAttribute("aria-pressed", String(chip.dataset.verdict === claimVerdict));
};
for (const verdict of new Set(claims.map((claim) => claim.dataset.verdict))) {
  const chip = chipFor(verdict, () => chooseClaims(verdict));
  claimChips.push(chip);
  document.getElementById("claim-tools").append(chip);
}
for (const link of document.querySelectorAll('a[data-table="claims-table"]')) {
  link.addEventListener("click", () => { claimVerdict = ""; chooseClaims(link.dataset.verdict); });
}
// A link to a claim that a filter hides shows it, and a link into closed details opens them.
const reveal = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.matches("article.claim[hidden]")) chooseClaims(claimVerdict);
  for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", reveal);
if (location.hash) reveal();

// On paper nothing can be opened.
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details.rules, details.again")) one.open = true;
});

// Values of markers: the SVG's titles, shown at once and on touch too.
const tip = document.getElementById("value");
for (const title of document.querySelectorAll("figure svg use > title")) {
  const marker = title.parentElement;
  marker.dataset.value = title.textContent;
  title.remove();
}
const tell = (event) => {
  const marker = event.target.closest?.("use[data-value]");
  tip.hidden = !marker;
  if (!marker) return;
  tip.textContent = marker.dataset.value;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - width - 4))}px`;
  tip.style.top = `${event.clientY > height + 24 ? event.clientY - height - 12 : event.clientY + 20}px`;
};
document.addEventListener("pointerover", tell);
document.addEventListener("click", tell);
