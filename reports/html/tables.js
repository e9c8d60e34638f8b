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

/** The numbers of a figure: every one with its n, interval and method. */
function numbersTable(seriesList) {
  const points = seriesList.flatMap((series) => series.points.map((r) => ({ r, label: series.label })));
  const unit = points[0].r.unit;
  const deep = points.some(({ r }) => r.depth !== null);
  const rows = points.map(({ r, label }) => [label, lengthName(r.context_length),
    ...(deep ? [depthName(r)] : []), show(r.value, r.unit), r.n ?? "–", interval(r), r.ci_method || "–",
    show(r.chance, r.unit), r.status === "ok" ? "ok" : `${r.status}: ${r.reason}`]);
  const value = ["", "1", "bytes"].includes(unit) ? "value" : `value (${unit})`;
  const shift = deep ? 1 : 0;
  return make("details", { class: "numbers" }, make("summary", {}, `Numbers (${rows.length})`),
    table(["series", "length", ...(deep ? ["depth"] : []), value, "n", "interval", "interval by", "chance",
      "status"], rows, { numeric: [1, 2, 3 + shift, 4 + shift, 6 + shift].concat(deep ? [3] : []) }));
}

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

// ---- summary ----

/** Columns of the summary: a metric of one model and task, at the longest length anyone reached. */
function summaryColumns() {
  const wanted = ["perplexity/bits_per_byte", "passkey/exact_match", "divergence/kl", "utilization/efficiency",
    "memory/state_declared", "latency/prefill", "latency/decode"];
  const scores = distinct(MEASURED.filter((r) => isRetrieval(r) && r.prefix !== "passkey" &&
    isMainScore(r.metric)).map((r) => r.metric));
  wanted.splice(2, 0, ...scores);
  return wanted.flatMap((metric) => {
    const pooled = MEASURED.filter((r) => r.metric === metric && r.depth === null && !isControl(r));
    return panels(pooled).map((panel) => {
      const length = Math.max(...panel.records.map((r) => r.context_length ?? 0));
      const atLength = panel.records.filter((r) => (r.context_length ?? 0) === length);
      return { metric, panel, length, records: atLength };
    }).filter((column) => column.records.length > 0);
  });
}

function summaryCell(r, variant) {
  const difference = differenceOf(r);
  const significant = isSignificant(difference);
  const label = variant(r);
  const line = (className, ...parts) => make("div", { class: `small-text ${className}` },
    parts.filter(Boolean).map((part, i) => [i ? " " : "", make("span", { class: "whole" }, part)]));
  const parts = [make("div", {}, make(significant ? "strong" : "span", { title: fullText(r) },
    show(r.value, r.unit)), label ? make("span", { class: "small-text quiet" }, ` ${label}`) : null),
  line("quiet", hasInterval(r) ? interval(r) : `– ${r.ci_method || "no interval"}`, `n = ${r.n ?? "–"}`)];
  if (difference) {
    const ratio = isTimeRatio(difference), same = ratio ? 1 : 0;
    const better = r.higher_is_better === null || difference.value === same ? ""
      : (difference.value > same) === r.higher_is_better ? "better" : "worse";
    const sign = difference.value > 0 ? "+" : "";
    parts.push(line(significant ? better : "quiet",
      ratio ? `× ${show(difference.value, "1")}` : `Δ ${sign}${show(difference.value, r.unit)}`,
      interval(difference), difference.p_adjusted === null ? "" : `p = ${Number(difference.p_adjusted.toPrecision(2))}`,
      significant ? better : ""));
  }
  return make("div", { class: "entry" }, parts);
}

/** One row a backend. A backend without the number shows why. */
function summaryTable() {
  const columns = summaryColumns();
  if (columns.length === 0) return null;
  const headers = columns.map(({ metric, panel, length, records }) => {
    const unit = records[0].unit;
    return make("span", {}, withUnit(metricName(metric), unit),
      make("span", { class: "quiet small-text block" },
        [panel.name, length ? `at ${lengthName(length)} tokens` : ""].filter(Boolean).join(" · ")));
  });
  const rows = BACKENDS.map((backend) => {
    const first = RECORDS.find((r) => r.backend === backend);
    const head = make("th", { scope: "row" }, swatch(backend), ` ${backend}`,
      first.baseline ? make("span", { class: "quiet small-text block" }, "baseline") : null);
    return [head, ...columns.map((column) => {
      const mine = column.records.filter((r) => r.backend === backend);
      if (mine.length > 0) {
        const variant = variantNamer(column.records);
        return make("td", {}, mine.map((r) => summaryCell(r, variant)));
      }
      const cell = brokenCell(backend, column.records[0], column.length);
      return make("td", { class: "quiet", title: cell ? cell.reason : "not measured" },
        cell ? `– ${cell.status}` : "–");
    })];
  });
  return table(["backend", ...headers], rows, { className: "summary" });
}

function swatch(backend) {
  const index = Math.max(0, BACKENDS.indexOf(backend)) % COLOURS;
  return make("span", { class: `swatch series-${index}`, "aria-hidden": "true" });
}

// ---- heatmaps ----

// Cividis (Nuñez, Anderton & Renslow 2018): even in lightness and safe for colour-blind readers.
const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115],
  [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]];

function heatColour(share) {
  const place = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const i = Math.min(CIVIDIS.length - 2, Math.floor(place));
  return CIVIDIS[i].map((c, k) => Math.round(c + (CIVIDIS[i + 1][k] - c) * (place - i)));
}

function heatCell(r, failed, scale) {
  if (!r) {
    const title = failed ? `${failed.status}: ${failed.reason}` : "not measured";
    return make("td", { class: "heat hatched", title }, failed ? failed.status : "–");
  }
  const [red, green, blue] = heatColour((r.value - scale.low) / (scale.high - scale.low || 1));
  const light = 0.299 * red + 0.587 * green + 0.114 * blue > 128;
  const cell = make("td", { class: r.status === "ok" ? "heat" : "heat hatched", title: fullText(r) },
    make(isSignificant(differenceOf(r)) ? "strong" : "span", {}, show(r.value, r.unit)),
    make("span", { class: "block tiny" }, `n=${r.n ?? "–"}`));
  cell.style.backgroundColor = `rgb(${red}, ${green}, ${blue})`;
  cell.style.color = light ? "#000" : "#fff";
  return cell;
}

/** Depth down, context length across, one table a series; all on one scale. */
function heatmaps(panel) {
  const records = panel.records;
  const scale = isShare(records) ? { low: 0, high: 1 }
    : { low: Math.min(...records.map((r) => r.value)), high: Math.max(...records.map((r) => r.value)) };
  const depths = distinct(records.map((r) => r.depth)).sort((a, b) => a - b);
  const broken = [...CELLS.values()].filter((c) => c.status !== "ok" &&
    c.task === records[0].task && c.model === records[0].model);
  const lengths = distinct([...records, ...broken].map((r) => r.context_length))
    .filter((length) => length !== null).sort((a, b) => a - b);
  const tables = panel.series.map((series) => {
    const rows = depths.map((depth) => [
      make("th", { scope: "row", class: "number" }, `${Number(depth.toFixed(1))}%`),
      ...lengths.map((length) => heatCell(
        series.points.find((r) => r.depth === depth && r.context_length === length),
        brokenCell(series.backend, records[0], length), scale))]);
    return make("div", { class: "heatmap" }, make("h4", {}, swatch(series.backend), ` ${series.label}`),
      table(["depth", ...lengths.map(lengthName)], rows, { numeric: [0] }));
  });
  const bar = make("span", { class: "scale", "aria-hidden": "true" });
  bar.style.background = `linear-gradient(to right, ${CIVIDIS.map((c) => `rgb(${c})`).join(", ")})`;
  const unit = records[0].unit;
  return make("div", {}, make("div", { class: "heatmaps" }, tables),
    make("p", { class: "legend" }, show(scale.low, unit), bar, show(scale.high, unit),
      make("span", { class: "hatched key" }), "no valid result (hover for the reason). " +
      "Bold: differs from the baseline at that depth and length (false discovery rate .05)"), numbersTable(panel.series));
}

// ---- samples and records ----

/** A table with a text filter, sorting by header, and rows shown in steps. */
function browser(headers, items, cellsOf, { numeric = [], sortKeys, step = 100, label }) {
  const body = make("tbody"), count = make("span", { class: "quiet" });
  const more = make("button", { type: "button" }, "Show all");
  const filter = make("input", { type: "search", placeholder: "Filter, e.g. infini 4096",
    "aria-label": `Filter ${label}` });
  const texts = new Map(items.map((item) => [item,
    [...cellsOf(item).map((c) => c.textContent ?? c), item.context_length].join(" ").toLowerCase()]));
  let limit = step, sort = null, descending = false;
  const render = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let chosen = items.filter((item) => words.every((word) => texts.get(item).includes(word)));
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

/** Control and replacement characters made visible, so that an output is never a blank. */
const visible = (text) => (text === "" ? "(nothing)"
  : text.replace(/\n/g, "⏎").replace(/[\u0000-\u001f\u007f]/g, "·"));

function samplesTable() {
  const all = DATA.samples.shown.map((sample) => ({ ...sample,
    cell: CELLS.get(sample.cell_id) ?? { backend: sample.cell_id, task: "–", context_length: null } }));
  const together = (s) => `${s.cell.task}\u0000${s.cell.context_length}\u0000${s.sample_sha}\u0000${s.index}`;
  const rows = [...groupBy(all, together).values()].flat();
  const scored = (s) => (s.scores.exact_match !== undefined ? "exact_match" : Object.keys(s.scores)[0]);
  const score = (s) => s.scores[scored(s)] ?? null;
  const mark = (s) => (score(s) === null ? "–" : !isMainScore(`/${scored(s)}`) ? `${scored(s)} ${show(score(s), "1")}`
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
