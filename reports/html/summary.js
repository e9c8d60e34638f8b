// The summary: what each backend scores and costs, a table for each model.

const COSTS_SHOWN = ["latency/prefill", "latency/decode"];
/** Tasks in a model's table, and entries in a cell; the sections below have the rest. */
const TASKS_SHOWN = 5, ENTRIES_SHOWN = 4;

/** The state that each backend's cells held, as records: for models whose memory no task measured. */
function statesOf(model) {
  const held = [...CELLS.values()].filter((c) => c.model === model && c.status === "ok" &&
    c.task !== "training" && (c.state_bytes_measured ?? c.state_bytes_analytic) !== null);
  const settings = groupBy(held, (c) => keyOf(c.backend, c.context_length));
  return [...settings.values()].map(([c]) => ({ ...c, metric: "memory/state_held", prefix: "memory", unit: "bytes",
    value: c.state_bytes_measured ?? c.state_bytes_analytic, n: 1, ci_low: null, ci_high: null, ci_method: "exact", seed: null,
    lr: null, subtask: "", depth: null, protocol: "", task: "", higher_is_better: false }));
}

/** How likely a task is what the reader came for: answers, prediction, the rest. */
const taskRank = (r) => (isRetrieval(r) ? 0 : ["perplexity", "divergence", "utilization"].includes(r.prefix) ? 1 : 2);

/** Columns of a model's table: records of one number at the longest length that anyone reached. */
function summaryColumns(model) {
  const pooled = MEASURED.filter((r) => r.model === model && r.depth === null && r.subtask === "");
  const scores = pooled.filter((r) => isMain(r) && !COSTS_SHOWN.includes(r.metric) &&
    !["memory", "training", "introspection"].includes(r.prefix));
  const tasks = [...groupBy(scores, (r) => r.task).values()].sort((a, b) => taskRank(a[0]) - taskRank(b[0]));
  const declared = pooled.filter((r) => r.metric === "memory/state_declared");
  return [...tasks.slice(0, TASKS_SHOWN), declared.length ? declared : statesOf(model),
    ...COSTS_SHOWN.map((metric) => pooled.filter((r) => r.metric === metric))]
    .flatMap((records) => panels(records)).map((panel) => {
      const length = Math.max(...panel.records.map((r) => r.context_length ?? 0));
      return { metric: panel.records[0].metric, task: panel.records[0].task, name: panel.name, length,
        records: panel.records.filter((r) => (r.context_length ?? 0) === length) };
    }).slice(0, TASKS_SHOWN + 5);
}

function summaryCell(r, variant) {
  const difference = differenceOf(r);
  const significant = isSignificant(difference);
  const label = variant(r);
  const line = (className, ...parts) => make("div", { class: `small-text ${className}` },
    parts.filter(Boolean).map((part, i) => [i ? " " : "", make("span", { class: part.length < 30 ? "whole" : null }, part)]));
  const parts = [make("div", {}, samplesButton(r, make(significant ? "strong" : "span", { title: fullText(r) },
    show(r.value, r.unit))), label ? make("span", { class: "small-text quiet" }, ` ${label}`) : null),
  line("quiet", hasInterval(r) ? interval(r) : `– ${r.ci_method || "no interval"}`, `n = ${r.n ?? "–"}`)];
  if (difference) {
    const ratio = isTimeRatio(difference), same = ratio ? 1 : 0;
    const better = r.higher_is_better === null || difference.value === same ? ""
      : (difference.value > same) === r.higher_is_better ? "better" : "worse";
    const sign = difference.value > 0 ? "+" : "";
    parts.push(line(significant ? better : "quiet",
      ratio ? `× ${show(difference.value, "1")}` : `Δ ${sign}${show(difference.value, r.unit)}`,
      interval(difference), difference.p_adjusted === null ? "" : `p = ${pValue(difference.p_adjusted)}`,
      significant ? better : ""));
  }
  return make("div", { class: "entry" }, parts);
}

/** One row a backend. A backend without the number shows why. */
function summaryTable(model) {
  const columns = summaryColumns(model);
  const backends = BACKENDS.filter((backend) => CELL_MODELS.has(keyOf(backend, model)));
  const headers = columns.map(({ metric, task, name, length, records }) => make("span", {},
    task && !metric.startsWith(`${task}/`) ? make("span", { class: "block" }, task) : null,
    withUnit(metricName(metric), records[0].unit), make("span", { class: "quiet small-text block" },
      [name, length ? `at ${lengthName(length)} tokens` : ""].filter(Boolean).join(" · "))));
  const rows = backends.map((backend) => [make("th", { scope: "row" }, swatch(backend), ` ${backend}`,
    BASELINES.has(backend) ? make("span", { class: "quiet small-text block" }, "baseline") : null),
  ...columns.map((column) => {
    const mine = column.records.filter((r) => r.backend === backend);
    if (mine.length > 0) {
      const variant = variantNamer(column.records);
      const more = mine.length - ENTRIES_SHOWN;
      return valued(mine[0].value, make("td", {}, mine.slice(0, ENTRIES_SHOWN).map((r) => summaryCell(r, variant)),
        more > 0 ? make("div", { class: "quiet small-text" }, `and ${more} more`) : null));
    }
    const cell = brokenCell(backend, column.records[0], column.length);
    return make("td", { class: "quiet", title: cell ? cell.reason : "not measured" }, cell ? `– ${cell.status}` : "–");
  })]);
  return table(["backend", ...headers], rows, { className: "summary" });
}

function summary() {
  const models = distinct(MEASURED.map((r) => r.model)).filter((model) => summaryColumns(model).length > 0);
  if (models.length === 0) return null;
  return [models.map((model) => [models.length > 1 ? make("h3", {}, model || "without a model") : null, summaryTable(model)]),
    paragraph("One score stands for each task, at the longest context length measured, with its interval and n (independent " +
      "units). Δ is the paired difference from the baseline, × how many times as long as the baseline it takes; p is adjusted " +
      "for all comparisons of its table (Holm). Bold: that comparison is significant at .05, and the interval of × leaves " +
      "out 1; nothing else is bold.", "quiet")];
}
