// Training: curves of every run, gates over time, and the numbers.

/** The machine that a curve over or of time was made on, where there are several. */
const curveMachine = (c) => (MACHINES.length > 1 && (c.x_unit === "s" || c.y_unit.endsWith("/s"))
  ? `machine ${(c.cell.machine ?? "").slice(0, 8)}` : "");

/** What a training's curves are drawn over. */
const trainingAxis = (unit) => ({ tokens: "Tokens trained on", s: "Time trained (s)" }[unit] ?? unit);

/** Runs for one figure: those that differ only in their seed as one, with its `runs`. */
function bySeed(group) {
  const settings = [...groupBy(group, (c) => keyOf(c.cell.backend, c.cell.lr)).values()];
  return labelled(settings.flatMap((runs) => (runs.length > 1 && distinct(runs.map((c) => c.cell.seed)).length === runs.length
    ? [{ ...runs[0], cell: { ...runs[0].cell, seed: null }, runs }] : runs)));
}

/** How to read the lines: how many seeds are one band, and that none is left out. */
function runCaption(curves) {
  const counts = curves.filter((c) => c.runs).map((c) => c.runs.length), rates = distinct(curves.map((c) => c.cell.lr)).length;
  const seeds = distinct([Math.min(...counts), Math.max(...counts)]).join(" to ");
  const dashes = rates > 1 ? `dashes are the ${rates} learning rates` : "dashes tell apart what shares one";
  return counts.length ? `Bold: the mean of ${seeds} seeds; thin: every run's running mean; shade: from the lowest to the ` +
    `highest. Bands that overlap are not told apart by these seeds. Colour is the backend${rates > 1 ? `, ${dashes}` : ""}.`
    : `Every run: bold its running mean, thin its points. Colour is the backend, ${dashes}.`;
}

/** One figure for each of a model's curves, with every run in it; times of unlike machines apart. */
function runFigures(all) {
  return [...groupBy(all, (c) => keyOf(c.cell.model, c.name, curveMachine(c))).values()].map((group) => {
    const curves = bySeed(group), { name, x_unit, y_unit, cell } = group[0], named = metricName(name);
    return figure([named, cell.model, curveMachine(group[0])].filter(Boolean).join(" — "), runCaption(curves),
      () => curveChart(curves, trainingAxis(x_unit), withUnit(named, y_unit), { yUnit: y_unit }), curvesTable(labelled(group)));
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
