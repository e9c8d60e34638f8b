// Reads the page's data, names and formats what is in it, and groups records into series.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);

/** The rows of a table kept by columns, as objects. */
function rowsOf({ rows, columns }) {
  const readers = Object.entries(columns).map(([name, column]) => [name, Array.isArray(column) ? (i) => column[i]
    : "all" in column ? () => column.all : (i) => column.dictionary[column.rows[i]]]);
  return Array.from({ length: rows }, (_, i) =>
    Object.fromEntries(readers.map(([name, read]) => [name, read(i)])));
}

/** Records as objects keyed by column name, their cell's columns among them, plus the metric's prefix. */
const CELL_ROWS = rowsOf(DATA.table.cells);
const ALL_RECORDS = rowsOf(DATA.table.records).map(({ cell, ...row }) =>
  ({ ...CELL_ROWS[cell], ...row, prefix: row.metric.split("/")[0] }));
nameSweptBackends();
/** What only all lengths together tell: how far a score holds, and scores by how far back. */
const isAcrossLengths = (r) =>
  /\/(effective_length|horizon|horizon_compressions)$|_by_(distance|compressions)$/.test(r.metric);
const isMeasured = (r) => r.metric !== "" && r.value !== null && !isAcrossLengths(r);
const isDifference = (r) => r.metric.endsWith("_difference");
/** Of some questions only: "distance=16-31". A subtask without "=", such as "near", is a task of its own. */
const isPart = (r) => r.subtask.includes("=");
const isControl = (r) => /\b(near|control)\b/.test(r.subtask);
/** What depends on the machine; such numbers of unlike machines never share a figure. */
const isTiming = (r) => r.prefix === "latency" || /^(s|ms|us|ns|J)(\/|$)|\/s$/.test(r.unit) || r.metric === "training/mfu";
/** A timing over the baseline's. */
const isTimeRatio = (r) => r.prefix === "latency" && r.metric.endsWith("_ratio");

/** Of the whole run, so that a backend keeps its colour whatever is shown. */
const MACHINES = distinct(ALL_RECORDS.map((r) => r.machine)).filter(Boolean);
const BACKENDS = distinct(ALL_RECORDS.map((r) => r.backend)).filter((name) => name !== "");
const BASELINES = new Set(ALL_RECORDS.filter((r) => r.baseline).map((r) => r.backend));

/** A backend swept over parameters becomes several, each named by the parameters that differ. */
function nameSweptBackends() {
  for (const group of groupBy(ALL_RECORDS, (r) => r.backend).values()) {
    const settings = distinct(group.map((r) => r.backend_params)).map((p) => p.split(", "));
    if (settings.length < 2) continue;
    for (const r of group) {
      const own = r.backend_params.split(", ")
        .filter((part) => !settings.every((parts) => parts.includes(part)));
      r.backend = `${r.backend} (${own.join(", ") || "default"})`;
    }
  }
}

function distinct(values) { return [...new Set(values)]; }

/** Items by key, keys in order of first appearance. */
function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) {
    const name = key(item);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return groups;
}

const METRIC_NAMES = {
  "perplexity/token": "Perplexity per token",
  "perplexity/word": "Perplexity per word",
  "perplexity/byte": "Perplexity per byte",
  "perplexity/bits_per_byte": "Bits per byte",
  "perplexity/by_position": "Bits per byte by position",
  "divergence/kl": "KL from the baseline",
  "divergence/kl_p50": "KL from the baseline, median token",
  "divergence/kl_p90": "KL from the baseline, 90th percentile",
  "divergence/kl_p99": "KL from the baseline, 99th percentile",
  "divergence/same_top": "Same top token as the baseline",
  "divergence/by_position": "KL by position",
  "divergence/same_top_by_position": "Same top token by position",
  "generation/rep_4": "Repeated 4-grams",
  "generation/distinct_2": "Distinct bigrams",
  "passkey/exact_match": "Passkey exact match",
  "passkey/digit_accuracy": "Passkey digit accuracy",
  "passkey/rank": "Passkey rank among decoys",
  "questions/exact_match": "Exact answers",
  "questions/found": "Answer named",
  "questions/precision": "Words of the output that the answer has",
  "questions/recall": "Words of the answer that the output has",
  "questions/f1": "Words shared with the answer (F1)",
  "questions/choice": "Right answer chosen among decoys",
  "recall/accuracy": "Recall accuracy",
  "ablation/drop": "Share of the context's help lost without far context",
  "ablation/shuffle": "Share of the context's help lost with far context shuffled",
  "ablation/foreign": "Share of the context's help lost with foreign far context",
  "ablation/shuffle_of_drop": "Loss from shuffled far context over that without it",
  "ablation/foreign_of_drop": "Loss from foreign far context over that without it",
  "ablation/help": "Help from context",
  "ablation/drop_loss": "Loss added without far context",
  "ablation/shuffle_loss": "Loss added by shuffled far context",
  "ablation/foreign_loss": "Loss added by foreign far context",
  "mutual_information/per_token": "What context says of the answer, per token",
  "mutual_information/per_answer": "What context says of the answer",
  "coherence/real_order": "Real order preferred to shuffled ones",
  "coherence/margin": "Lead of the real order",
  "relevance/true_continuation": "True continuation likelier after its own context",
  "relevance/own_continuation": "Model's continuation likelier after its own context",
  "relevance/true_continuation_margin": "Lead of the own context, true continuation",
  "relevance/own_continuation_margin": "Lead of the own context, model's continuation",
  "introspection/loss": "Loss on the targets looked at",
  "introspection/memory_off": "Loss added without the memory",
  "introspection/local_off": "Loss added without local attention",
  "introspection/sinks_off": "Loss added without the sinks",
  "introspection/attention_entropy": "Entropy of attention",
  "introspection/attended_distance": "Distance attended to",
  "introspection/sink_mass": "Attention on the sinks",
  "introspection/memory_share": "Memory's share of the output",
  "introspection/memory_norm": "Norm of the memory",
  "introspection/memory_rank": "Effective rank of the memory",
  "introspection/gate": "Gates",
  "utilization/gain": "Gain from context",
  "utilization/efficiency": "Utilization efficiency",
  "utilization/fact_effect": "Effect of a fact",
  "blur/match_over_random": "Match over random",
  "latency/prefill": "Prefill time",
  "latency/decode": "Decode time per token",
  "latency/prefill_energy": "Prefill energy per token",
  "latency/decode_energy": "Decode energy per token",
  "latency/prefill_ratio": "Prefill time over the baseline's",
  "latency/decode_ratio": "Decode time over the baseline's",
  "utilization/loss": "Loss on the fixed targets",
  "perplexity/position_loss": "Loss by position",
  "memory/weights": "Weights",
  "memory/state_declared": "State, analytic",
  "memory/state_held": "State, measured",
  "memory/peak_rss": "Peak resident memory",
  "memory/full_kv_ratio": "Full KV cache / state",
  "training/loss": "Training loss",
  "training/tape_bytes": "Activations held for backward",
  "training/state_bytes": "States held for backward",
  "training/gate": "Gates over training",
  "training/gate_travel": "Gate travel",
  "training/tokens_per_second": "Training speed",
  "training/held_out": "Held-out loss",
  "training/held_out_before": "Held-out loss before training",
  "training/gap": "Held-out less training loss",
  "training/mfu": "Training FLOP utilisation",
};

/** "needle/exact_match" -> "Needle exact match". */
function metricName(metric) {
  if (METRIC_NAMES[metric]) return METRIC_NAMES[metric];
  const words = metric.replace(/[/_]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** "Prefill time (ms)"; bytes carry their unit with each number, bits per byte in the name. */
const withUnit = (name, unit) =>
  (["", "1", "bytes", "bits/byte"].includes(unit ?? "") ? name : `${name} (${unit})`);

/** 4096 -> "4k", 2097152 -> "2M", as the configuration writes them. */
function lengthName(tokens) {
  if (tokens === null || tokens === undefined) return "–";
  if (tokens >= 1048576 && tokens % 1048576 === 0) return `${tokens / 1048576}M`;
  return tokens >= 1024 && tokens % 1024 === 0 ? `${tokens / 1024}k` : String(tokens);
}

function bytesName(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  while (Math.abs(bytes) >= 1024 && power < units.length - 1) { bytes /= 1024; ++power; }
  return `${power === 0 ? bytes : Number(bytes.toPrecision(4))} ${units[power]}`;
}

/** A number for reading: bytes in binary units, shares with three decimals, else 4 digits. */
function show(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "bytes") return bytesName(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(2).replaceAll("-", "−");
  const text = size < 10 ? value.toFixed(3) : size < 100 ? value.toFixed(2)
    : size < 1000 ? value.toFixed(1) : Math.round(value).toLocaleString("en-US");
  return text.replaceAll("-", "−");
}

const hasInterval = (r) => r.ci_low !== null && r.ci_high !== null;
const interval = (r) =>
  hasInterval(r) ? `[${show(r.ci_low, r.unit)}, ${show(r.ci_high, r.unit)}]` : "–";

/** Value, unit, n, interval and method in one line, for tooltips. */
function fullText(r) {
  const unit = r.unit === "1" || r.unit === "bytes" ? "" : ` ${r.unit}`;
  const parts = [`${show(r.value, r.unit)}${unit}`, `n = ${r.n ?? "–"}`,
    `interval ${interval(r)}${r.ci_method ? ` (${r.ci_method})` : ""}`];
  if (r.status !== "ok") parts.push(`${r.status}: ${r.reason}`);
  return parts.join(" · ");
}

// ---- series ----

/** What tells two curves of one backend apart: every seed and learning rate is shown. */
function variantNamer(records) {
  const groups = [...groupBy(records, (r) => `${r.backend}\u0000${r.model}`).values()];
  const keys = ["seed", "lr"].filter((key) =>
    groups.some((group) => distinct(group.map((r) => r[key])).length > 1));
  return (r) => keys.map((key) => `${key} ${r[key] ?? "–"}`).join(", ");
}

/** Protocols that differ only in their numbers belong to one line. */
const protocolFamily = (r) => r.protocol.replace(/=\d+/g, "=");

/** Several protocols in one text: "ppl/1:ctx=512|1024:stride=512". */
function protocolName(records) {
  const protocols = distinct(records.map((r) => r.protocol).filter(Boolean)).map((p) => p.split(":"));
  if (protocols.length === 0) return "";
  return protocols[0].map((part, i) => {
    const values = distinct(protocols.map((p) => p[i] ?? ""));
    const key = part.includes("=") ? part.slice(0, part.indexOf("=") + 1) : "";
    return key + values.map((value) => (value.startsWith(key) ? value.slice(key.length) : value)).join("|");
  }).join(":");
}

/** What of their protocols tells groups of records apart, each in a text such as "pairs=4+8"; lengths are on an axis. */
function protocolDifferences(groups) {
  const names = groups.map((group) => protocolName(group).split(":"));
  const differs = (i) => distinct(names.map((parts) => parts[i] ?? "")).length > 1;
  return names.map((parts) => parts.filter((part, i) => differs(i) && !part.startsWith("ctx=")).join(", "));
}

const subtaskFamily = (r) => r.subtask.replace(/@\d+\w*/, "").replace(/=[^:]*/g, "");
const machineName = (r) => (MACHINES.length > 1 && isTiming(r) ? `machine ${r.machine.slice(0, 8)}` : "");

/**
 * Records of one metric split into panels that may share axes: one per model, task, subtask,
 * protocol and, of timings, machine. Each panel has a name that says only what differs, and series by backend and variant.
 */
function panels(records) {
  const parts = [(r) => r.model, (r) => r.task, subtaskFamily, machineName];
  const split = [...groupBy(records, (r) => keyOf(protocolFamily(r), ...parts.map((part) => part(r)))).values()];
  const differing = parts.filter((part) => distinct(records.map(part)).length > 1);
  const names = split.map((group) => differing.map((part) => part(group[0])));
  if (distinct(names.map((name) => keyOf(...name))).length < split.length) {
    protocolDifferences(split).forEach((text, i) => names[i].push(text));
  }
  return split.map((group, i) => ({ records: group, name: names[i].filter(Boolean).join(" · "), series: seriesOf(group) }));
}

/** Lines over context length: {label, backend, variant index, points ascending in length}. */
function seriesOf(records) {
  const variant = variantNamer(records);
  const byBackend = groupBy(records, (r) => r.backend);
  const series = [];
  for (const [backend, group] of byBackend) {
    let index = 0;
    for (const [name, points] of groupBy(group, variant)) {
      series.push({
        backend, variant: index++, label: name ? `${backend} · ${name}` : backend,
        points: [...points].sort((a, b) => a.context_length - b.context_length),
      });
    }
  }
  return series;
}

const keyOf = (...parts) => parts.join("\u0000");
const placeOf = (r, metric) => keyOf(metric, r.backend, r.model, r.task, r.context_length, r.seed, r.lr, r.depth, r.subtask);

/** Comparisons with the baseline by what they are of. */
const COMPARED = new Map(ALL_RECORDS.filter((r) => isMeasured(r) && (isDifference(r) || isTimeRatio(r)))
  .map((r) => [placeOf(r, r.metric), r]));

/** The comparison of this very number with the baseline, if there is one: a difference or a ratio. */
const differenceOf = (r) => COMPARED.get(placeOf(r, `${r.metric}_difference`)) ??
  (r.prefix === "latency" ? COMPARED.get(placeOf(r, `${r.metric}_ratio`)) : undefined);

/** Why `backend` has no result where `like` has one: its cell without a valid result, if any. */
const brokenCell = (backend, like, length) => BROKEN.get(keyOf(backend, like.task, like.model, length));

/** The one score that stands for each task: the first of the table that it has pooled. */
const MAIN = new Map([...groupBy(ALL_RECORDS.filter((r) => isMeasured(r) && r.depth === null && !isPart(r)), (r) => r.task)].map(([task, group]) => {
  const has = new Set(group.map((r) => r.metric));
  const [, metric] = DATA.main_scores.find(([of, one]) => (of === "" || of === task) && has.has(one)) ?? [];
  return [task, metric ?? group.find((r) => !isDifference(r))?.metric];
}));
const isMain = (r) => MAIN.get(r.task) === r.metric;

/**
 * Of a difference: adjusted p below .05 where there is one, else an interval that leaves 0 out. Of a
 * ratio both, as its interval and its test are of two methods, and 1 for 0.
 */
function isSignificant(difference) {
  if (!difference) return false;
  const same = isTimeRatio(difference) ? 1 : 0;
  const apart = hasInterval(difference) && (difference.ci_low > same || difference.ci_high < same);
  if (difference.p_adjusted === null) return !isTimeRatio(difference) && apart;
  return difference.p_adjusted < 0.05 && (apart || !isTimeRatio(difference));
}

// ---- what is shown ----

/** The records shown, those of them with a number at one length, and one record of each of their cells, in plan order. */
let RECORDS, MEASURED, CELLS;
/** Cells shown without a valid result, by setting; and which backends have cells of which model. */
let BROKEN, CELL_MODELS;

/** Shows the records that are `wanted`; sections are drawn from these alone. */
function chooseRecords(wanted) {
  RECORDS = ALL_RECORDS.filter(wanted);
  MEASURED = RECORDS.filter(isMeasured);
  CELLS = new Map();
  for (const record of RECORDS) if (!CELLS.has(record.cell_id)) CELLS.set(record.cell_id, record);
  const cells = [...CELLS.values()];
  BROKEN = new Map(cells.filter((cell) => cell.status !== "ok").reverse()
    .map((cell) => [keyOf(cell.backend, cell.task, cell.model, cell.context_length), cell]));
  CELL_MODELS = new Set(cells.map((c) => keyOf(c.backend, c.model)));
}

chooseRecords(() => true);
