// Curves over training, positions and distances, and their charts.

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

/** Points of a curve averaged over a window of a twentieth of its length. */
function smoothed(points) {
  const widest = Math.floor(points.length / 40);
  return points.map((point, i) => {
    const half = Math.min(widest, i, points.length - 1 - i);
    const near = points.slice(i - half, i + half + 1);
    return { x: point.x, y: near.reduce((sum, p) => sum + p.y, 0) / near.length };
  });
}

/** A colour for each "layer 0" among names such as "layer 0 head 3", dashes for the heads in it. */
function seriesLooks(names) {
  const groups = [...groupBy(names, (name) => name.split(/(?<=\d) /)[0]).values()];
  return new Map(groups.flatMap((group, g) => group.map((name, i) => [name, {
    colour: cssColour(`--series-${g % COLOURS}`), dash: DASHES[i % DASHES.length],
    width: i < DASHES.length ? 2 : 1 }])));
}

/** What a curve's y is at `x`, between two of its points; most runs have their i-th point there. */
function valueAt(points, x, i) {
  if (points[i]?.x === x) return points[i].y;
  const next = points.findIndex((p) => p.x >= x);
  if (next <= 0) return points[Math.max(0, next)].y;
  const [a, b] = [points[next - 1], points[next]];
  return a.y + (b.y - a.y) * (x - a.x) / (b.x - a.x);
}

/** Runs of several seeds at the first one's places, as far as all go: [{x, y: mean, low, high, n}, ...]. */
function overSeeds(runs) {
  const begin = Math.max(...runs.map((run) => run[0].x)), end = Math.min(...runs.map((run) => run.at(-1).x));
  return runs[0].flatMap(({ x }, i) => {
    if (x < begin || x > end) return [];
    const ys = runs.map((run) => valueAt(run, x, i));
    return { x, y: ys.reduce((a, b) => a + b, 0) / ys.length, low: Math.min(...ys), high: Math.max(...ys), n: ys.length };
  });
}

/** Seeds of one setting: their mean in bold, every run thin, and shade between the least and the most. */
function seedDatasets({ label, backend, variant, runs }) {
  const style = look(backend, variant), means = runs.map((run) => smoothed(run.points)), all = overSeeds(means);
  const line = { label, borderColor: style.colour, backgroundColor: style.colour, borderWidth: 2.5,
    borderDash: style.dash, pointRadius: 0 };
  const edge = { ...line, mute: true, borderWidth: 0, backgroundColor: faded(style.colour, 0.15) };
  return [{ ...line, data: all },
    { ...edge, data: all.map(({ x, low }) => ({ x, y: low })) },
    { ...edge, data: all.map(({ x, high }) => ({ x, y: high })), fill: "-1" },
    ...means.map((data) => ({ ...line, data, mute: true, borderWidth: 0.8, borderColor: faded(style.colour, 0.6) }))];
}

/** One of `count` curves: its points where few or told apart by `series`, else their running mean before them. */
function curveDatasets(curve, looks, i, count) {
  const style = curve.series ? looks.get(curve.series) : look(curve.backend, curve.variant);
  const line = { label: curve.label, data: curve.points, borderColor: style.colour, borderWidth: style.width ?? 2,
    backgroundColor: style.colour, borderDash: style.dash, pointRadius: 0 };
  if (curve.records) {
    return [{ ...line, pointRadius: 3.5, ...style.shape,
      data: curve.points.map(({ x, y }, p) => ({ x: dodge(x, i, count), y, record: curve.records[p] })),
      whiskers: curve.records.map((r) => (hasInterval(r) ? [r.ci_low, r.ci_high] : null)) }];
  }
  if (curve.series || curve.points.length < 60) return [line];
  return [{ ...line, data: smoothed(curve.points).map((point) => ({ ...point, smooth: true })) },
    { ...line, borderColor: faded(style.colour, 0.22), borderWidth: 1, borderDash: [], mute: true }];
}

/** What a pointer shows of a curve's point: y, and of how many runs. */
function curveLines({ raw }, unit) {
  if (raw.record) return recordLines(raw.record);
  const named = unit === "" || unit === "1" ? "" : ` ${unit}`;
  return raw.n
    ? [`${show(raw.y, unit)}${named}, mean of ${raw.n} seeds`, `from ${show(raw.low, unit)} to ${show(raw.high, unit)}`]
    : [`${show(raw.y, unit)}${named}${raw.smooth ? ", running mean" : ""}`, "one run, no interval"];
}

/**
 * Configuration of a chart of curves {label, backend, variant, points {x, y}} over their own x. Curves with
 * `records`, one a point, have whiskers; with `runs`, a curve a seed, they are bands; those of one run, told apart by
 * `series`, have their own looks. options: yUnit, share, chance; logX, logY: so to begin with, if all are above 0.
 */
function curveChart(curves, xTitle, yTitle, { yUnit = "", share = false, logX = false, logY = false, chance = null } = {}) {
  const looks = seriesLooks(curves.map((curve) => curve.series));
  const datasets = curves.flatMap((curve, i) =>
    (curve.runs ? seedDatasets(curve) : curveDatasets(curve, looks, i, curves.length)));
  const points = curves.flatMap((curve) => (curve.runs ?? [curve]).flatMap((run) => run.points));
  const xs = extent(points.map(({ x }) => x));
  const records = curves.flatMap((curve) => curve.records ?? []).filter(hasInterval);
  if (chance) datasets.push(chance);
  const x = axisOver(xs, { title: xTitle, log: logX }), long = x.linear ?? x;
  Object.assign(long, { min: Math.min(0, xs[0]), max: xs[1] });
  long.ticks.includeBounds = false;
  long.ticks.callback = (v) => (v >= 1e3 && v < 1e6 ? `${v / 1e3} k` : tickName(v, ""));
  return {
    type: "line", data: { datasets }, plugins: [whiskers, background],
    options: chartOptions({ x, y: axisOver([...points.map(({ y }) => y), ...records.flatMap((r) => [r.ci_low, r.ci_high])],
      { title: yTitle, unit: yUnit, log: logY, share }) },
    tooltip(({ raw, dataset }) => `${dataset.label}, ${xTitle.replace(/ \(.*/, "").toLowerCase()} ${tickName(raw.x, "")}`,
      (item) => curveLines(item, yUnit))),
  };
}
