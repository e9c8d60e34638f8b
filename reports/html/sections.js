// The sections, in order: each returns its contents, or null when the run has nothing for it.

const isShare = (records) => records[0].unit === "1" &&
  records.every((r) => r.value >= 0 && r.value <= 1);

const paragraph = (text, className = null) => make("p", { class: className }, text);
const figures = (...children) => make("div", { class: "figures" }, children);
const withPrefix = (prefix) => MEASURED.filter((r) => r.prefix === prefix && !isDifference(r));

/** Figures over context length for each metric of `records` that has lengths; parts have their own. */
function lengthFigures(records, captionOf, options = {}) {
  const placed = records.filter((r) => r.context_length !== null && !isPart(r));
  return [...groupBy(placed, (r) => r.metric)].flatMap(([metric, group]) =>
    panels(group).map((panel) => {
      const unit = group[0].unit;
      const title = metricName(metric) + (panel.name ? ` — ${panel.name}` : "");
      const chartOptions = { yTitle: withUnit(metricName(metric), unit),
        share: isShare(panel.records), chance: true, ...options };
      return figure(title, captionOf(metric, panel),
        () => lengthChart(panel.series, chartOptions), numbersTable(panel.series));
    }));
}

/** "higher is better", when the records say. */
function direction(records) {
  const higher = records[0].higher_is_better;
  return higher === null ? "" : higher ? " Higher is better." : " Lower is better.";
}

// ---- 1: what ran ----

/** "1,234 of the 21,296 records are not on this page: ...", or null. */
function leftOut() {
  const { total, records, left_out: kinds } = DATA.table;
  if (records.rows === total) return null;
  const count = (n) => n.toLocaleString("en-US");
  const named = kinds.map(({ what, rows }) => `${what} (${count(rows)})`).join(", ");
  return make("details", {}, make("summary", {}, `${count(total - records.rows)} of ${count(total)} records, the least ` +
    "important kinds, are left out of this page; records.csv beside it has all"), paragraph(`Most of them: ${named}.`));
}

function statusBanner() {
  const counts = Object.entries(DATA.table.statuses);
  const all = counts.reduce((sum, [, n]) => sum + n, 0);
  if (all === 0) return make("div", { class: "banner" }, paragraph("No cell has been run yet."));
  const broken = [...CELLS.values()].filter((c) => c.status !== "ok");
  const without = all - (DATA.table.statuses.ok ?? 0);
  const summary = counts.map(([status, n]) => `${n} ${status}`).join(" · ");
  const text = without === 0 ? `All ${all} cells are valid.`
    : `${without} of ${all} cells have no valid result: missing, hollow or hatched below.`;
  const list = table(["status", "backend", "model", "task", "length", "seed", "reason"],
    broken.map((c) => [c.status, c.backend, c.model, c.task, lengthName(c.context_length),
      c.seed ?? "–", c.reason || "no reason recorded"]), { numeric: [4, 5] });
  const details = make("details", {}, make("summary", {}, "Which, and why"), list);
  if (broken.length <= 8) details.open = true;
  return make("div", { class: `banner ${without ? "warn" : "fine"}` },
    make("p", {}, make("strong", {}, without ? "⚠ " : "✓ ", text), " ",
      make("span", { class: "quiet" }, summary)), without ? details : null, leftOut());
}

function whatRan() {
  if (RECORDS.length === 0) return null;
  const all = (key, format = String) => distinct(RECORDS.map((r) => r[key]))
    .filter((v) => v !== null && v !== "").map(format).join(", ") || "–";
  const started = RECORDS.map((r) => r.started_at).filter(Boolean).sort();
  const wall = [...CELLS.values()].reduce((sum, c) => sum + (c.wall_s ?? 0), 0);
  const facts = [["build", all("build")], ["compiler", all("compiler")], ["flags", all("flags")],
    ["processor", all("cpu")], ["instruction set", all("isa")], ["threads", all("threads")],
    ["run", all("run_id")], ["tasks", distinct(RECORDS.map((r) =>
      r.task + (r.task_version === null ? "" : ` v${r.task_version}`))).join(", ")],
    ["context lengths", distinct(RECORDS.map((r) => r.context_length)).filter((l) => l !== null)
      .sort((a, b) => a - b).map(lengthName).join(", ") || "–"],
    ["started (UTC)", started.length ? distinct([started[0], started.at(-1)]).join(" to ") : "–"],
    ["time in cells", wall > 0 ? `${show(wall, "s")} s` : "–"]];
  const backends = [...groupBy(RECORDS.filter((r) => r.backend !== ""), (r) => r.backend)].map(([name, mine]) => {
    return [make("span", {}, swatch(name), ` ${name}`, mine[0].baseline ? " (baseline)" : ""),
      distinct(mine.map((r) => r.backend_type)).join(", "),
      make("code", {}, distinct(mine.map((r) => r.backend_params)).filter(Boolean).join(" | ") || "–")];
  });
  const models = [...groupBy(RECORDS.filter((r) => r.model), (r) => r.model)].map(([name, group]) =>
    [name, distinct(group.map((r) => r.n_params)).filter((n) => n !== null)
      .map((n) => n.toLocaleString("en-US")).join(", ") || "–",
    make("code", {}, shortList(distinct(group.map((r) => r.weights_sha.slice(0, 12))).filter(Boolean)))]);
  const details = make("details", {}, make("summary", {}, `Backends (${backends.length}) and models (${models.length})`),
    table(["backend", "type", "parameters"], backends),
    models.length ? table(["model", "weights (numbers)", "weights hash"], models, { numeric: [1] }) : null);
  if (backends.length <= 4) details.open = true;
  return [make("dl", { class: "facts" }, facts.map(([key, value]) =>
    make("div", {}, make("dt", {}, key), make("dd", {}, value)))), details];
}

const shortList = (items) => (items.length === 0 ? "–" : items.length <= 3 ? items.join(", ")
  : `${items.slice(0, 3).join(", ")} and ${items.length - 3} more`);

// ---- 8 to 11: cost ----

function latency() {
  const records = withPrefix("latency");
  if (records.length === 0) return null;
  const caption = (metric, panel) => {
    const fits = panel.series.map((s) => [s.label, powerLaw(s.points)]).filter(([, fit]) => fit !== null)
      .map(([label, fit]) => `${label} ${exponentText(fit)}`);
    return `${metric.endsWith("_energy") ? "Means" : "Medians"} with intervals, both axes logarithmic, so a straight ` +
      "line is a power of the length: slope 1 is linear, 2 quadratic, 0 constant." +
      (fits.length ? ` Fitted slopes: ${fits.join(", ")}.` : "");
  };
  const against = () => "How many times as long as the baseline takes, by Hodges and Lehmann; 1 is as long. An " +
    "interval that leaves out 1 is a difference by Mann and Whitney's test.";
  return figures(lengthFigures(records.filter((r) => !isTimeRatio(r)), caption, { log: true, chance: false, fit: true }),
    lengthFigures(records.filter(isTimeRatio), against, { log: true, chance: false }));
}

/** Lines for what the mechanism declares, points for what the process held. */
function stateFigure(panelRecords) {
  const merged = panels(panelRecords.filter((r) => r.metric === "memory/state_declared"));
  return merged.map((panel) => {
    const held = panelRecords.filter((r) => r.metric === "memory/state_held" &&
      r.model === panel.records[0].model && r.task === panel.records[0].task);
    const lines = panel.series, points = seriesOf(held).map((s) => ({ ...s, pointsOnly: true }));
    const named = (series, how) => series.map((s) => ({ ...s, label: `${s.label}, ${how}` }));
    return figure(`State by context length${panel.name ? ` — ${panel.name}` : ""}`,
      "Bytes carried from token to token: lines as the mechanism's formula has it, points as counted in the " +
      "process. Points off their line mean the formula or the implementation is wrong.",
      () => stateChart(lines, points),
      numbersTable([...named(lines, "analytic"), ...named(points, "measured")]));
  });
}

/** Points sit on the lines they check, so both lists are dodged alike. */
function stateChart(lines, points) {
  const options = { yTitle: "State per stream", log: true }, chart = lengthChart(lines, options);
  const hasPoints = new Set(points.map(({ label }) => label));
  const drawn = chart.data.datasets.map((line) => ({ ...line, pointRadius: 0, mute: hasPoints.has(line.label) }));
  const dots = points.map((s, i) => ({ ...lineDataset(s, i, points.length), key: { showLine: true } }));
  chart.data.datasets = [...dots, ...drawn];
  chart.options.scales.y = valueAxis([...lines, ...points].flatMap((s) => s.points), options);
  return chart;
}

function memory() {
  const records = withPrefix("memory");
  if (records.length === 0) return null;
  const paired = (r) => r.metric === "memory/state_declared" || (r.metric === "memory/state_held" &&
    records.some((d) => d.metric === "memory/state_declared" && d.task === r.task && d.model === r.model));
  const captions = {
    "memory/peak_rss": "Peak resident memory of the cell's own process: weights, state, activations and the program.",
    "memory/full_kv_ratio": "How many times smaller the state is than a full key–value cache of the same length.",
  };
  return figures(stateFigure(records.filter(paired)),
    lengthFigures(records.filter((r) => !paired(r)), (metric, panel) =>
      (captions[metric] ?? "By context length.") + direction(panel.records), { log: true, chance: false }));
}

// ---- 11 to 14 ----

/** Curves that are wanted and whose cell is on the page, with that cell and the points that have both numbers. */
function curvesOf(wanted) {
  return DATA.curves.shown.filter((curve) => CELLS.has(curve.cell_id) && wanted(curve)).map((curve) => ({ ...curve,
    cell: CELLS.get(curve.cell_id),
    points: curve.x.map((x, i) => ({ x, y: curve.y[i] })).filter((p) => p.x !== null && p.y !== null) }))
    .filter((c) => c.points.length > 0);
}

/** Curves of one figure with backend, variant and label. */
function labelled(group) {
  const variant = variantNamer(group.map((c) => c.cell));
  const seen = new Map();
  return group.map((c) => {
    const index = seen.get(c.cell.backend) ?? 0;
    seen.set(c.cell.backend, index + 1);
    return { ...c, backend: c.cell.backend, variant: index,
      label: [c.cell.backend, variant(c.cell)].filter(Boolean).join(" · ") };
  });
}

/** The machine that a curve over or of time was made on, where there are several. */
const curveMachine = (c) => (MACHINES.length > 1 && (c.x_unit === "s" || c.y_unit.endsWith("/s"))
  ? `machine ${(c.cell.machine ?? "").slice(0, 8)}` : "");

/** What a training's curves are drawn over. */
const trainingAxis = (unit) => ({ tokens: "Tokens trained on", s: "Time trained (s)" }[unit] ?? unit);

/** One figure for each of a model's curves, with every run in it; times of unlike machines apart. */
function runFigures(all) {
  return [...groupBy(all, (c) => keyOf(c.cell.model, c.name, curveMachine(c))).values()].map((group) => {
    const curves = labelled(group);
    const name = metricName(group[0].name);
    return figure([name, group[0].cell.model, curveMachine(group[0])].filter(Boolean).join(" — "),
      "Every run, none left out: colour is the backend, dashes the seed or learning rate. Thin: the points; bold: " +
      "their running mean.", () => curveChart(curves, trainingAxis(group[0].x_unit), withUnit(name, group[0].y_unit),
      { yUnit: group[0].y_unit }), curvesTable(curves));
  });
}

const SERIES_CAPTIONS = {
  "training/gate": "Sigmoid of each head's gate while it is trained; for infini the memory's share of the head's " +
    "output, the rest being its own segment's. ",
};

/** One figure for each run's curves of one name that `series` tells apart. */
function seriesFigures(all) {
  const variant = variantNamer(all.map((c) => c.cell));
  return [...groupBy(all, (c) => `${c.cell_id}\u0000${c.name}`).values()].map((group) => {
    const { cell, name, x_unit, y_unit } = group[0];
    const curves = group.map((c) => ({ ...c, label: c.series }));
    const share = y_unit === "1" && curves.every((c) => c.points.every((p) => p.y >= 0 && p.y <= 1));
    return figure([metricName(name), [cell.model, cell.backend, variant(cell)].filter(Boolean).join(" · ")].join(" — "),
      `${SERIES_CAPTIONS[name] ?? ""}One run; colours and dashes tell the lines apart.`,
      () => curveChart(curves, trainingAxis(x_unit), withUnit(metricName(name), y_unit), { yUnit: y_unit, share }),
      curvesTable(curves));
  });
}

function trainingTable() {
  const records = withPrefix("training").filter((r) => r.metric !== "training/loss");
  if (records.length === 0) return [];
  return [make("h3", {}, "Training in numbers"), table(
    ["measure", "backend", "model", "seed", "lr", "value", "n", "interval"],
    [...groupBy(records, (r) => r.metric).values()].flat().map((r) => [withUnit(metricName(r.metric), r.unit),
      r.backend, r.model, r.seed ?? "–", r.lr ?? "–", valued(r.value, show(r.value, r.unit)), r.n ?? "–",
      hasInterval(r) ? interval(r) : `– ${r.ci_method}`]), { numeric: [3, 4, 5, 6, 7] })];
}

function training() {
  const curves = curvesOf((c) => !isByPosition(c));
  const plots = [...runFigures(curves.filter((c) => c.series === "")),
    ...seriesFigures(curves.filter((c) => c.series !== ""))];
  const numbers = trainingTable();
  return plots.length || numbers.length ? [figures(plots), numbers] : null;
}

function samples() {
  const chosen = samplesShown(), count = (n) => n.toLocaleString("en-US");
  if (chosen.length === 0) return null;
  return [paragraph(`${count(chosen.length)} of ${count(DATA.samples.total)} answers${SAMPLES.length < DATA.samples.total
    ? ", as many of each cell; all are in samples.jsonl" : ""}. The same samples are put to every backend. Values with a dotted ` +
    "line beneath, here and above, and points of figures open the samples behind them.", "quiet"),
  samplesTable(chosen)];
}

const allRecords = () => (RECORDS.length ? recordsTable() : null);

function reproduce() {
  const block = (title, text) => (text ? [make("h3", {}, title), make("pre", { tabindex: "0" }, text)] : []);
  const manifest = DATA.manifest === "" || DATA.manifest === null ? ""
    : typeof DATA.manifest === "string" ? DATA.manifest : JSON.stringify(DATA.manifest, null, 2);
  const content = [...block("Command", DATA.command), ...block("Configuration", DATA.configuration),
    ...(manifest ? [make("details", {}, make("summary", {}, "Manifest: build, machine and the full configuration"),
      make("pre", { tabindex: "0" }, manifest))] : [])];
  return content.length ? content : null;
}
