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

function samplesTable(all) {
  const together = (s) => keyOf(s.cell.task, s.cell.context_length, s.sample_sha, s.index);
  const rows = [...groupBy(all, together).values()].flat();
  const code = (text) => make("code", {}, visible(text));
  return browser([
    { head: "task", cell: (s) => s.cell.task, value: (s) => s.cell.task },
    { head: "length", cell: (s) => lengthName(s.cell.context_length), value: (s) => s.cell.context_length, numeric: true },
    { head: "sample", cell: (s) => s.index, value: (s) => s.index, numeric: true },
    { head: "backend", cell: (s) => s.cell.backend, value: (s) => s.cell.backend },
    { head: "depth", cell: depthName, value: (s) => s.depth, numeric: true },
    { head: "target", cell: (s) => code(s.target), value: (s) => s.target },
    { head: "output", cell: (s) => code(s.output), value: (s) => s.output },
    { head: "score", cell: (s) => mark(s), value: scoreOf },
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
    number("value", "value", (r) => samplesButton(r, show(r.value, r.unit))), plain("unit"), number("n", "n", (r) => r.n ?? "–"),
    number("interval", "ci_low", interval), { ...plain("ci_method"), head: "interval by" },
    number("chance", "chance", (r) => show(r.chance, r.unit)), plain("model"), number("seed", "seed", (r) => r.seed ?? "–"),
    { head: "subtask", cell: (r) => subtask(r) || "–", value: (r) => r.subtask }, plain("task"),
    { head: "status", cell: (r) => (r.status === "ok" ? "ok" : `${r.status}: ${r.reason}`), value: (r) => r.status },
  ], rows, { step: 60, label: "records" });
}
