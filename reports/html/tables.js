// Tables: the numbers beneath figures, the summary, heatmaps, samples and all records.

/** A table from header texts and rows of cells (nodes or text); numeric columns align right. */
function table(headers, rows, { numeric = [], caption = null, className = null } = {}) {
  const align = (i) => (numeric.includes(i) ? "number" : null);
  return make("div", { class: "scroll", tabindex: "0" }, make("table", { class: className },
    caption ? make("caption", {}, caption) : null,
    make("thead", {}, make("tr", {}, headers.map((text, i) =>
      make("th", { scope: "col", class: align(i) }, text)))),
    make("tbody", {}, rows.map((cells) => make("tr", {}, cells.map((cell, i) =>
      cell instanceof HTMLTableCellElement ? cell : make("td", { class: align(i) }, cell)))))));
}

/** The numbers of a figure: every one with its n, interval and method; of comparisons p and power too. */
function numbersTable(seriesList) {
  const points = seriesList.flatMap((series) => series.points.map((r) => ({ r, label: series.label })));
  const unit = points[0].r.unit, some = (key) => points.some(({ r }) => r[key] !== null && r[key] !== "");
  const columns = [  // heading, cell, numeric, wanted
    ["series", ({ label }) => label], ["length", ({ r }) => lengthName(r.context_length), true],
    ["depth", ({ r }) => depthName(r), true, some("depth")], ["part", ({ r }) => r.subtask || "–", false, some("subtask")],
    [["", "1", "bytes"].includes(unit) ? "value" : `value (${unit})`, ({ r }) => show(r.value, r.unit), true],
    ["n", ({ r }) => r.n ?? "–", true], ["interval", ({ r }) => interval(r)], ["interval by", ({ r }) => r.ci_method || "–"],
    ["chance", ({ r }) => show(r.chance, r.unit), true, some("chance")],
    ["adjusted p", ({ r }) => pValue(r.p_adjusted), true, some("p_adjusted")],
    ["detectable", ({ r }) => show(r.detectable, r.unit), true, some("detectable")],
    ["status", ({ r }) => (r.status === "ok" ? "ok" : `${r.status}: ${r.reason}`)],
  ].filter(([, , , wanted = true]) => wanted);
  return lazyTable(points.length, () => table(columns.map(([name]) => name),
    points.map((point) => columns.map(([, cell]) => cell(point))),
    { numeric: columns.flatMap(([, , numeric], i) => (numeric ? [i] : [])) }));
}

/** Numbers behind a figure: there from the start when few, else made when opened. */
function lazyTable(rows, contents) {
  const title = `Numbers (${rows})`;
  if (rows > 60) return Object.assign(folded(title, contents), { className: "numbers" });
  return make("details", { class: "numbers" }, make("summary", {}, title), contents());
}

const pValue = (p) => (p === null || p === undefined ? "–"
  : p > 0 && p < 1e-3 ? p.toExponential(0).replace("-", "−") : String(Number(p.toPrecision(2))));

const depthName = (r) => (r.depth === null ? "–" : `${Number(r.depth.toFixed(1))}%`);

/** Numbers of curves: where each begins and ends. */
function curvesTable(curves) {
  const rows = curves.map((c) => {
    const last = smoothed(c.points).at(-1);
    return [c.label, c.points.length, show(c.points[0].y, ""), show(c.points.at(-1).y, ""),
      show(last.y, "")];
  });
  return make("details", { class: "numbers" }, make("summary", {}, `Numbers (${rows.length})`),
    table(["series", "points", "first", "last", "last, running mean"], rows,
      { numeric: [1, 2, 3, 4] }),
    make("p", { class: "quiet" }, "A curve is one run, so its points have no interval; " +
      "seeds show the spread. All points: curves.jsonl."));
}

/** Colours repeat after some backends; those of the next round are discs. */
function swatch(backend) {
  const index = Math.max(0, BACKENDS.indexOf(backend));
  return make("span", { class: `swatch series-${index % COLOURS}${index < COLOURS ? "" : " ring"}`, "aria-hidden": "true" });
}

// ---- samples and records ----

/** A table with a text filter, sorting by header, and rows shown in steps. */
function browser(headers, items, cellsOf, { numeric = [], sortKeys, step = 100, label }) {
  const body = make("tbody"), count = make("span", { class: "quiet" });
  const more = make("button", { type: "button" }, "Show all");
  const filter = make("input", { type: "search", placeholder: "Filter, e.g. infini 4096",
    "aria-label": `Filter ${label}` });
  const texts = new Map();  // of what has been searched for once
  const textOf = (item) => {
    if (!texts.has(item)) {
      texts.set(item, [...cellsOf(item).map((c) => c.textContent ?? c), item.context_length].join(" ").toLowerCase());
    }
    return texts.get(item);
  };
  let limit = step, sort = null, descending = false;
  const render = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let chosen = items.filter((item) => words.every((word) => textOf(item).includes(word)));
    if (sort !== null) {
      const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b
        : String(a).localeCompare(String(b), "en", { numeric: true }));
      chosen = [...chosen].sort((a, b) => {
        const [x, y] = [sortKeys[sort](a), sortKeys[sort](b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return descending ? order(y, x) : order(x, y);
      });
    }
    const shown = chosen.slice(0, limit);
    body.replaceChildren(...shown.map((item) => make("tr", {}, cellsOf(item).map((cell, i) =>
      make("td", { class: numeric.includes(i) ? "number" : null }, cell)))));
    count.textContent = `${shown.length} of ${chosen.length} rows`;
    more.hidden = shown.length === chosen.length;
  };
  const heads = headers.map((text, i) => {
    const button = make("button", { type: "button", class: "sort" }, text);
    const head = make("th", { scope: "col", class: numeric.includes(i) ? "number" : null }, button);
    button.addEventListener("click", () => {
      descending = sort === i ? !descending : false;
      sort = i;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      render();
    });
    return head;
  });
  filter.addEventListener("input", render);
  more.addEventListener("click", () => { limit = Infinity; render(); });
  render();
  return make("div", {}, make("div", { class: "controls" }, filter, count, more),
    make("div", { class: "scroll tall", tabindex: "0" },
      make("table", {}, make("thead", {}, make("tr", {}, heads)), body)));
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
  return browser(["task", "length", "sample", "backend", "depth", "target", "output", "score"], rows,
    (s) => [s.cell.task, lengthName(s.cell.context_length), s.index, s.cell.backend,
      depthName(s), make("code", {}, visible(s.target)),
      make("code", {}, visible(s.output)), mark(s)],
    { numeric: [1, 2, 4], step: 24, label: "samples", sortKeys: [(s) => s.cell.task,
      (s) => s.cell.context_length, (s) => s.index, (s) => s.cell.backend, (s) => s.depth,
      (s) => s.target, (s) => s.output, score] });
}

function recordsTable() {
  const rows = RECORDS.filter((r) => r.metric !== "" || r.status !== "ok");
  const subtask = (r) => [r.subtask, r.p_adjusted === null ? "" : `adjusted p ${show(r.p_adjusted, "1")}`]
    .filter(Boolean).join(", ");
  const columns = [  // heading, cell, sort key, numeric
    ["metric", (r) => r.metric || "–", "metric"], ["backend", (r) => r.backend, "backend"],
    ["length", (r) => lengthName(r.context_length), "context_length", true], ["depth", depthName, "depth", true],
    ["value", (r) => show(r.value, r.unit), "value", true], ["unit", (r) => r.unit || "–", "unit"],
    ["n", (r) => r.n ?? "–", "n", true], ["interval", interval, "ci_low", true],
    ["interval by", (r) => r.ci_method || "–", "ci_method"],
    ["chance", (r) => show(r.chance, r.unit), "chance", true],
    ["model", (r) => r.model || "–", "model"], ["seed", (r) => r.seed ?? "–", "seed", true],
    ["subtask", (r) => subtask(r) || "–", "subtask"], ["task", (r) => r.task, "task"],
    ["status", (r) => (r.status === "ok" ? "ok" : `${r.status}: ${r.reason}`), "status"],
  ];
  return browser(columns.map(([name]) => name), rows, (r) => columns.map(([, cell]) => cell(r)), {
    numeric: columns.flatMap(([, , , numeric], i) => (numeric ? [i] : [])), step: 60, label: "records",
    sortKeys: columns.map(([, , key]) => (r) => r[key]) });
}
