// Memory: what is declared, what is counted and what the process took.

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

/** Records of one model and task where most backends have their state, at the longest such length, by backend. */
function memoryParts(records) {
  const backends = (rows) => distinct(rows.map((r) => r.backend)).length;
  const [[length, at]] = [...groupBy(records.filter((r) => r.metric === "memory/state_declared"), (r) => r.context_length)]
    .sort((a, b) => backends(b[1]) - backends(a[1]) || b[0] - a[0]);
  const rows = at.map((state) => {
    const of = (metric) => records.find((r) => r.metric === metric && r.backend === state.backend && r.context_length === length);
    return { backend: state.backend, state, weights: of("memory/weights"), held: of("memory/state_held") };
  });
  return { length, rows: [...new Map(rows.map((row) => [row.backend, row])).values()] };
}

/** Configuration of bars, a backend each: weights and state as declared, and a point at what was counted. */
function memoryChart(rows) {
  const colours = (opacity) => rows.map(({ backend }) => faded(look(backend, 0).colour, opacity)), ink = cssColour("--ink");
  const bar = (label, opacity, of) => ({ type: "bar", label, backgroundColor: colours(opacity), maxBarThickness: 22,
    key: { backgroundColor: faded(ink, opacity) }, data: rows.map((row, y) => ({ x: of(row)?.value ?? 0, y, record: of(row) })) });
  const counted = rows.map((row, y) => ({ x: (row.weights?.value ?? 0) + (row.held?.value ?? 0), y, record: row.held }))
    .filter(({ record }) => record);
  const datasets = [...(rows.some(({ weights }) => weights) ? [bar("weights", 0.35, (row) => row.weights)] : []),
    bar("state, analytic", 1, (row) => row.state),
    ...(counted.length ? [{ type: "line", label: "state, measured", showLine: false, data: counted, borderColor: ink,
      backgroundColor: cssColour("--panel"), pointStyle: "circle", pointRadius: 4, borderWidth: 2, order: -1 }] : [])];
  const most = Math.max(...rows.map((row) => (row.weights?.value ?? 0) + Math.max(row.state.value, row.held?.value ?? 0)));
  return {
    type: "bar", data: { labels: rows.map(({ backend }) => backend), datasets }, plugins: [background],
    options: chartOptions({
      x: { ...linearAxis(axisTitle("Bytes of one stream"), 0, most, "bytes"), stacked: true },
      y: { type: "category", labels: rows.map(({ backend }) => backend), stacked: true, title: axisTitle("Backend"),
        grid: { display: false } },
    }, tooltip(({ raw, dataset }) => `${rows[raw.y].backend}: ${dataset.label}`, ({ raw }) => recordLines(raw.record)),
    { indexAxis: "y" }),
  };
}

/** What the weights and the state take, of each model. */
function memoryBars(records) {
  return [...groupBy(records, (r) => keyOf(r.model, r.task)).values()].filter((group) =>
    group.some((r) => r.metric === "memory/state_declared")).map((group, _, all) => {
    const { length, rows } = memoryParts(group), { model, task } = group[0];
    const named = rows.some(({ weights }) => weights) ? "Weights and state" : "State";
    const parts = rows.flatMap(({ weights, state, held }) => [weights, state, held].filter(Boolean));
    const name = all.length > 1 ? ` — ${[model, task].filter(Boolean).join(" · ")}` : "";
    return figure(`${named} at ${lengthName(length)} tokens${name}`, `What one stream needs as the ` +
      `mechanisms' formulas have it${named === "State" ? "" : ": pale the model's weights, solid the state"}. A ring at a bar's ` +
      "end: the state counted in the process is as large. Activations and scratch are in the peak only.", () => memoryChart(rows),
    numbersTable([...groupBy(parts, (r) => keyOf(r.backend, r.metric)).values()].map((points) => ({ points,
      label: `${points[0].backend}: ${metricName(points[0].metric).toLowerCase()}` }))), 110 + 30 * rows.length);
  });
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
  const bars = memoryBars(records);  // which have the weights, of any length
  const rest = records.filter((r) => !paired(r) && !(bars.length && r.metric === "memory/weights"));
  return figures(bars, stateFigure(records.filter(paired)),
    lengthFigures(rest, (metric, panel) =>
      (captions[metric] ?? "By context length.") + direction(panel.records), { log: true, chance: false }));
}
