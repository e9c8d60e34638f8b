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
      const shown = { yTitle: withUnit(metricName(metric), unit), share: isShare(panel.records), chance: true, ...options };
      const series = withRings(panel.series);
      return figure(title, captionOf(metric, panel) + ringCaption(series), () => lengthChart(series, shown),
        numbersTable(panel.series));
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

// ---- time ----

function latency() {
  const records = withPrefix("latency");
  if (records.length === 0) return null;
  const caption = (metric, panel) => {
    const fits = panel.series.map((s) => [s.label, powerLaw(s.points)]).filter(([, fit]) => fit !== null)
      .map(([label, fit]) => `${label} ${exponentText(fit)}`);
    return `${metric.endsWith("_energy") ? "Means" : "Medians"} with intervals.` + (fits.length ? " Thin lines: fitted powers " +
      "of the length; exponent 1 is linear, 2 quadratic, 0 constant, and points that bend away follow none. Exponents, with " +
      `95% intervals from four lengths up: ${fits.join(", ")}.` : " On logarithmic axes a straight line is a power of the length.");
  };
  const against = () => "How many times as long as the baseline takes, by Hodges and Lehmann; 1 is as long. An " +
    "interval that leaves out 1 is a difference by Mann and Whitney's test.";
  return figures(lengthFigures(records.filter((r) => !isTimeRatio(r)), caption, { log: true, chance: false, fit: true }),
    lengthFigures(records.filter(isTimeRatio), against, { log: true, chance: false }));
}

// ---- samples, records and how to reproduce ----

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
    ...(manifest ? [make("details", { class: "manifest" }, make("summary", {}, "Manifest: build, machine and the full configuration"),
      make("pre", { tabindex: "0" }, manifest))] : [])];
  return content.length ? content : null;
}
