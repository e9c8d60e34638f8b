// The two long tables, of samples and of all records: filtered by text, sorted, and shown in steps.

/** A table of items with a text filter, sorting by header, and rows shown in steps; columns are {head, cell, value, numeric}. */
function browser(columns, items, { step = 100, label }) {
  const body = make("tbody"), count = make("span", { class: "quiet", role: "status" });
  const more = make("button", { type: "button" }, "Show all");
  const filter = make("input", { type: "search", placeholder: "Search, e.g. infini 4096",
    "aria-label": `Search ${label}` });
  const cellsOf = (item) => columns.map(({ cell }) => cell(item));
  const texts = new Map();  // of what has been searched for once
  const textOf = (item) => {
    if (!texts.has(item)) {
      texts.set(item, [...cellsOf(item).map((c) => c.textContent ?? c), item.context_length].join(" ").toLowerCase());
    }
    return texts.get(item);
  };
  const align = (i) => (columns[i].numeric ? "number" : null);
  let limit = step, ordered = items;
  const render = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = ordered.filter((item) => words.every((word) => textOf(item).includes(word)));
    const shown = chosen.slice(0, limit);
    body.replaceChildren(...shown.map((item) => make("tr", {}, cellsOf(item).map((cell, i) => make("td", { class: align(i) }, cell)))));
    count.textContent = `${shown.length} of ${chosen.length} rows`;
    more.hidden = shown.length === chosen.length;
  };
  const heads = sortHeads(columns.map(({ head }) => head), align, (i, direction) => {
    ordered = sorted(items, (item) => columns[i].value(item) ?? null, direction);
    render();
  });
  filter.addEventListener("input", render);
  more.addEventListener("click", () => { limit = Infinity; render(); });
  render();
  return make("div", {}, make("div", { class: "controls" }, filter, count, more),
    scrolling(heads, make("table", {}, make("thead", {}, make("tr", {}, heads)), body), "scroll tall"));
}

/** Scores that say right or wrong, or how nearly right. */
const isAnswer = (score) => /^(exact_match|accuracy|score|recall|f1)$/.test(score);

/** Control and replacement characters made visible, so that an output is never a blank. */
const visible = (text) => (text === "" ? "(nothing)"
  : text.replace(/\n/g, "⏎").replace(/[\u0000-\u001f\u007f]/g, "·"));

/** Samples on the page, of cells that are shown, each with its cell. */
const samplesShown = () => DATA.samples.shown.filter((sample) => CELLS.has(sample.cell_id))
  .map((sample) => ({ ...sample, cell: CELLS.get(sample.cell_id) }));

function samplesTable(all) {
  const together = (s) => `${s.cell.task}\u0000${s.cell.context_length}\u0000${s.sample_sha}\u0000${s.index}`;
  const rows = [...groupBy(all, together).values()].flat();
  const scored = (s) => (s.scores.exact_match !== undefined ? "exact_match" : Object.keys(s.scores)[0]);
  const score = (s) => s.scores[scored(s)] ?? null;
  const mark = (s) => (score(s) === null ? "–" : !isAnswer(scored(s)) ? `${scored(s)} ${show(score(s), "1")}`
    : score(s) >= 1 ? make("span", { class: "better" }, "✓ right")
      : score(s) <= 0 ? make("span", { class: "worse" }, "✗ wrong") : show(score(s), "1"));
  const code = (text) => make("code", {}, visible(text));
  return browser([
    { head: "task", cell: (s) => s.cell.task, value: (s) => s.cell.task },
    { head: "length", cell: (s) => lengthName(s.cell.context_length), value: (s) => s.cell.context_length, numeric: true },
    { head: "sample", cell: (s) => s.index, value: (s) => s.index, numeric: true },
    { head: "backend", cell: (s) => s.cell.backend, value: (s) => s.cell.backend },
    { head: "depth", cell: depthName, value: (s) => s.depth, numeric: true },
    { head: "target", cell: (s) => code(s.target), value: (s) => s.target },
    { head: "output", cell: (s) => code(s.output), value: (s) => s.output },
    { head: "score", cell: mark, value: score },
  ], rows, { step: 24, label: "samples" });
}

function recordsTable() {
  const rows = RECORDS.filter((r) => r.metric !== "" || r.status !== "ok");
  const subtask = (r) => [r.subtask, r.p_adjusted === null ? "" : `adjusted p ${show(r.p_adjusted, "1")}`]
    .filter(Boolean).join(", ");
  const plain = (key) => ({ head: key, cell: (r) => r[key] || "–", value: (r) => r[key] });
  const number = (head, key, cell) => ({ head, cell, value: (r) => r[key], numeric: true });
  return browser([plain("metric"), plain("backend"),
    number("length", "context_length", (r) => lengthName(r.context_length)), number("depth", "depth", depthName),
    number("value", "value", (r) => show(r.value, r.unit)), plain("unit"), number("n", "n", (r) => r.n ?? "–"),
    number("interval", "ci_low", interval), { ...plain("ci_method"), head: "interval by" },
    number("chance", "chance", (r) => show(r.chance, r.unit)), plain("model"), number("seed", "seed", (r) => r.seed ?? "–"),
    { head: "subtask", cell: (r) => subtask(r) || "–", value: (r) => r.subtask }, plain("task"),
    { head: "status", cell: (r) => (r.status === "ok" ? "ok" : `${r.status}: ${r.reason}`), value: (r) => r.status },
  ], rows, { step: 60, label: "records" });
}
