// What the plan predicted of each cell's time and memory, against what was measured.

const FOLD = 2;  // a prediction within this factor is a good one

/** What is predicted: columns of a cell, and how to write them. */
const PREDICTED = [
  { name: "time", unit: "s", predicted: (r) => r.predicted_s, measured: (r) => r.wall_s, text: (v) => `${show(v, "s")} s` },
  { name: "memory", unit: "bytes", predicted: (r) => r.predicted_bytes, measured: (r) => r.peak_bytes, text: bytesName },
];

/** Finished cells that have both numbers: {record, measured, ratio}, the worst predicted first. */
function predictionsOf(kind) {
  return [...CELLS.values()].filter((r) => r.status === "ok" && kind.predicted(r) > 0 && kind.measured(r) > 0)
    .map((record) => ({ record, measured: kind.measured(record), ratio: kind.predicted(record) / kind.measured(record) }))
    .sort((a, b) => Math.abs(Math.log(b.ratio)) - Math.abs(Math.log(a.ratio)));
}

const withinFold = ({ ratio }) => ratio <= FOLD && ratio >= 1 / FOLD;
const cellName = (r) => [r.model, r.backend, r.task, r.context_length === null ? "" : lengthName(r.context_length),
  r.seed === null ? "" : `seed ${r.seed}`].filter(Boolean).join(" ");
const timesName = (ratio) => `${Number(ratio.toPrecision(3))}×`;

/** "Time: 57 of 60 cells (95%) within 2×, the median at 0.94×." */
function predictionLine(kind, points) {
  const good = points.filter(withinFold).length;
  const ratios = points.map((p) => p.ratio).sort((a, b) => a - b);
  const median = ratios[Math.floor((ratios.length - 1) / 2)];
  return `Predicted ${kind.name}: ${good} of ${points.length} cells (${Math.round(100 * good / points.length)}%) within ` +
    `${FOLD}×, the median at ${timesName(median)} the measured.`;
}

/** Predicted over measured against measured, both on log axes, with lines where predictions stop being good. */
function predictionChart(kind, points) {
  const datasets = BACKENDS.filter((name) => points.some(({ record }) => record.backend === name)).map((backend) => {
    const style = look(backend, 0);
    return { label: backend, showLine: false, borderColor: style.colour, backgroundColor: style.colour,
      ...style.shape, pointRadius: 4, borderWidth: 1.5,
      data: points.filter(({ record }) => record.backend === backend)
        .map((p) => ({ x: p.measured, y: p.ratio, point: p })) };
  });
  const ends = (values) => [Math.min(...values), Math.max(...values)];
  const [left, right] = ends(points.map((p) => p.measured));
  const [low, high] = ends([...points.map((p) => p.ratio), 1 / FOLD / 1.5, FOLD * 1.5]);
  const bound = (ratio, dash) => ({ label: `${ratio}×`, data: [left / 1.1, right * 1.1].map((x) => ({ x, y: ratio })),
    borderColor: cssColour("--quiet"), borderWidth: 1, borderDash: dash, pointRadius: 0, pointHitRadius: 0,
    backgroundColor: "transparent", mute: true, legend: false });
  return {
    type: "line", plugins: [background],
    data: { datasets: [...datasets, bound(1 / FOLD, [4, 4]), bound(1, []), bound(FOLD, [4, 4])] },
    options: chartOptions({
      x: axisOver([left, right], { title: withUnit(`Measured ${kind.name}`, kind.unit), unit: kind.unit, log: true }),
      y: axisOver([low, high], { title: "Predicted over measured", log: true }),
    }, tooltip(({ raw }) => cellName(raw.point.record), ({ raw }) => [
      `${kind.text(kind.predicted(raw.point.record))} predicted`, `${kind.text(raw.point.measured)} measured`,
      `${timesName(raw.point.ratio)}, one run, no interval`])),
  };
}

/** The cells that were predicted worst. */
function worstPredicted(kind, points) {
  const most = 10;
  const rows = points.slice(0, most).map(({ record, measured, ratio }) => [cellName(record),
    valued(kind.predicted(record), kind.text(kind.predicted(record))), valued(measured, kind.text(measured)),
    valued(ratio, timesName(ratio))]);
  return make("details", { class: "numbers" }, make("summary", {}, `Predicted worst (${rows.length} of ${points.length})`),
    table(["cell", "predicted", "measured", "ratio"], rows, { numeric: [1, 2, 3] }));
}

function predictions() {
  const kinds = PREDICTED.map((kind) => ({ kind, points: predictionsOf(kind) })).filter(({ points }) => points.length > 0);
  if (kinds.length === 0) return null;
  return [kinds.map(({ kind, points }) => paragraph(predictionLine(kind, points))),
    figures(kinds.map(({ kind, points }) => figure(`Predicted and measured ${kind.name}`,
      "A point is a cell that finished; between the dashed lines the prediction is within a factor of two.",
      () => predictionChart(kind, points), worstPredicted(kind, points))))];
}
