// How far answers reach: effective lengths, recall horizons, and scores by distance.

const isReach = (r) => /\/(effective_length|horizon|horizon_compressions)$/.test(r.metric);

/** "effective_length" -> "effective length"; what the row of the table is of. */
const reachKind = (r) => r.metric.split("/").at(-1).replace("horizon_compressions", "horizon, compressions")
  .replace("_", " ");
const reachScore = (r) => metricName(r.metric.slice(0, r.metric.lastIndexOf("/")));

function reachTable(records) {
  const variant = variantNamer(records);
  const amount = (value, unit) => (unit === "tokens" ? Math.round(value).toLocaleString("en-US") : show(value, unit));
  const end = (value, unit) => (value === null ? "open" : amount(value, unit));
  const rows = [...groupBy(records, (r) => `${r.task}\u0000${r.model}\u0000${r.metric}`).values()].flat().map((r) => [
    `${reachScore(r)}: ${reachKind(r)}`, r.task, r.model,
    make("span", {}, swatch(r.backend), ` ${[r.backend, variant(r)].filter(Boolean).join(" · ")}`),
    valued(r.value, r.value === null ? "none" : `${amount(r.value, r.unit)}${r.unit === "tokens" ? " tokens" : ""}`),
    r.ci_low === null && r.ci_high === null ? "–" : `[${end(r.ci_low, r.unit)}, ${end(r.ci_high, r.unit)}]`,
    r.n ?? "–", r.ci_method.split("; ").slice(1).join("; ") || "–"]);
  const made = table(["score", "task", "model", "backend", "value", "interval", "n", "remarks"], rows,
    { numeric: [4, 5, 6] });
  if (rows.length > 20) made.classList.add("tall");
  return made;
}

/** Series with `ring`, the record of their effective length, where there is one within what was tested. */
function withRings(seriesList) {
  const { metric } = seriesList[0].points[0], setting = (r) => keyOf(r.backend, r.model, r.task, r.subtask, r.seed, r.lr);
  const lengths = new Map(RECORDS.filter((r) => r.metric === `${metric}/effective_length` && r.value !== null)
    .map((r) => [setting(r), r]));
  return seriesList.map((series) => ({ ...series, ring: lengths.get(setting(series.points[0])) }));
}

/** "effective length 1k [256, 2k] tokens" */
const effectiveLength = ({ value, ci_low, ci_high }) => `effective length ${lengthName(value)} ` +
  `[${[ci_low, ci_high].map((end) => (end === null ? "open" : lengthName(end))).join(", ")}] tokens`;

/** What the rings are, by the threshold in their protocol: "effective_length/1:threshold=0.85:relative:...". */
function ringCaption(seriesList) {
  const ringed = seriesList.filter(({ ring }) => ring);
  if (ringed.length === 0) return "";
  const [, threshold, relative] = /:threshold=([^:]*):(relative)?/.exec(ringed[0].ring.protocol) ?? [];
  const holds = threshold === undefined ? "the score holds" : relative
    ? `the score stays above ${threshold} of that at the shortest` : `the score stays above ${threshold}`;
  return ` Ring: the effective length, up to which ${holds}; its interval ${ringed.length > FEW_RINGS
    ? "is in the tooltip, and in the table of how far answers reach" : "is the dotted whisker along it"}.`;
}

/** How far back: the metric's ending, the column, and the words for it. */
const REACH_AXES = [
  { ending: /_by_distance$/, column: "distance", name: "distance", title: "Distance (tokens)",
    caption: "as more tokens lie between the evidence and the answer" },
  { ending: /_by_compressions$/, column: "segments_crossed", name: "compressions",
    title: "Compressions (segments passed)", caption: "as more segments lie between the evidence and the answer" },
];

/** Every bucket with its n and interval. */
function bucketTable(curves, axis) {
  const rows = curves.flatMap((c) => c.records.map((r) => [c.label, valued(r[axis.column], show(r[axis.column], "")),
    valued(r.value, show(r.value, r.unit)), r.n ?? "–", interval(r), r.ci_method || "–"]));
  return make("details", { class: "numbers" }, make("summary", {}, `Numbers (${rows.length})`),
    table(["series", axis.name, "value", "n", "interval", "interval by"], rows, { numeric: [1, 2, 3, 4] }));
}

function distanceFigures(axis, wanted) {
  const records = RECORDS.filter((r) => axis.ending.test(r.metric) && r.value !== null && r[axis.column] !== null);
  return [...groupBy(records.filter(wanted), (r) => `${r.task}\u0000${r.model}\u0000${r.metric}`).values()].map((group) => {
    const runs = [...groupBy(group, (r) => `${r.backend}\u0000${r.seed}\u0000${r.lr}`).values()];
    const curves = labelled(runs.map((run) => {
      const ordered = [...run].sort((a, b) => a[axis.column] - b[axis.column]);
      return { cell: run[0], series: "", records: ordered,
        points: ordered.map((r) => ({ x: r[axis.column], y: r.value })) };
    }));
    const name = metricName(group[0].metric.replace(axis.ending, ""));
    const logX = group.every((r) => r[axis.column] > 0);
    const chance = group[0].chance === null ? "" : ` Dashed grey: guessing, ${show(group[0].chance, "1")}.`;
    return figure([`${name} by ${axis.name}`, group[0].task, group[0].model].filter(Boolean).join(" — "),
      `How the score falls ${axis.caption}, all context lengths together. A point pools what lies between one power of ` +
      `two and the next, and stands at its geometric middle; whiskers are intervals.${chance}`,
      () => curveChart(curves, axis.title, name, { yUnit: "1", share: true, logX, chance: chanceDataset(
        group.map((r) => [r[axis.column], r.chance])) }), bucketTable(curves, axis));
  });
}

/** Derived from the task's main score, or from one of a task that has no other. */
function isMainReach(r) {
  const score = r.metric.replace(/\/(effective_length|horizon|horizon_compressions)$|_by_(distance|compressions)$/, "");
  return (MAIN.get(r.task) ?? score) === score;
}

function reach() {
  const ends = RECORDS.filter(isReach);
  if (ends.length === 0) return null;
  const main = ends.filter(isMainReach), rest = ends.filter((r) => !isMainReach(r));
  const figuresOf = (wanted) => figures(REACH_AXES.flatMap((axis) => distanceFigures(axis, wanted)));
  return [paragraph("Effective length: the longest context tested up to which the score holds at every length; the " +
    "threshold is in its protocol (All records). Horizon: how far back the evidence may lie until the score, made never " +
    "rising with distance, falls through one half, in tokens and in segments passed (compressions). An end of an interval " +
    "is open where too many resamples find none within what was tested.", "quiet"),
  main.length ? [reachTable(main), figuresOf(isMainReach)] : null,
  rest.length && main.length ? folded(`Other scores (${rest.length})`, () => [reachTable(rest), figuresOf((r) => !isMainReach(r))])
    : rest.length ? [reachTable(rest), figuresOf(() => true)] : null];
}
