// Quality against what it costs: a figure for each score and cost, with its Pareto front.

/** The state that a record's cell held, as a record of its own. */
const stateOf = (r) => ({ unit: "bytes", value: r.state_bytes_measured ?? r.state_bytes_analytic, n: 1,
  ci_low: null, ci_high: null, ci_method: "exact", status: "ok" });

/** Timings are made once for all seeds, and here of the one machine that most of them are of. */
const decodesShown = () => new Map(mostOfOneMachine(MEASURED.filter((r) => r.metric === "latency/decode" && r.status === "ok"))
  .reverse().map((r) => [keyOf(r.backend, r.model, r.context_length), r]));

function mostOfOneMachine(timings) {
  const machines = [...groupBy(timings, (r) => r.machine).values()];
  return machines.sort((a, b) => b.length - a.length)[0] ?? [];
}

function costsShown() {
  const decodes = decodesShown();
  return [{ name: "State per stream", of: stateOf },
    { name: METRIC_NAMES["latency/decode"], of: (r) => decodes.get(keyOf(r.backend, r.model, r.context_length)) }];
}

/** Valid bits per byte, and each task's main score that is better higher: pooled, without its controls. */
const isQuality = (r) => r.status === "ok" && r.depth === null && (r.metric === "perplexity/bits_per_byte" ||
  (isRetrieval(r) && isMain(r) && r.subtask === "" && r.higher_is_better === true));

/** The mean over seeds, which only equal n make one; else null. */
function meanOverSeeds(records) {
  if (distinct(records.map((r) => r.n)).length > 1) return null;
  return records.reduce((sum, r) => sum + r.value, 0) / records.length;
}

/**
 * What a panel's records put against each other: {backend, label, cost, records, mean, front}, one for each
 * backend and learning rate, dearest last, with a record a seed. At the longest length that all backends have,
 * or as many of them as any length has. On the front is what no other beats in one, mean or cost, without
 * losing in the other.
 */
function contenders(panel, costOf) {
  const priced = panel.records.map((r) => ({ r, cost: costOf(r) })).filter(({ cost }) => cost && cost.value > 0);
  const backends = (pairs) => distinct(pairs.map(({ r }) => r.backend)).length;
  const [chosen = []] = [...groupBy(priced, ({ r }) => r.context_length).values()].sort((a, b) =>
    backends(b) - backends(a) || b[0].r.context_length - a[0].r.context_length);
  const rates = distinct(chosen.map(({ r }) => r.lr)).length > 1;
  const all = [...groupBy(chosen, ({ r }) => `${r.backend}\u0000${r.lr}`).values()].map((group) => {
    const records = group.map(({ r }) => r), { backend, lr } = records[0];
    return { backend, label: rates ? `${backend} · lr ${lr ?? "–"}` : backend, cost: group[0].cost, records,
      mean: meanOverSeeds(records) };
  });
  for (const one of all) {
    const gain = (other) => (other.mean - one.mean) * (one.records[0].higher_is_better ? 1 : -1);
    one.front = one.mean !== null && !all.some((other) => other.mean !== null &&
      other.cost.value <= one.cost.value && gain(other) >= 0 && (other.cost.value < one.cost.value || gain(other) > 0));
  }
  return all.sort((a, b) => a.cost.value - b.cost.value);
}

/** The best mean for at most that cost, up to the dearest contender's. */
function frontDataset(all) {
  const front = all.filter((one) => one.front).map((one) => ({ x: one.cost.value, y: one.mean }));
  if (front.length > 0) front.push({ x: all.at(-1).cost.value, y: front.at(-1).y });
  return { label: "Pareto front", data: front, stepped: true, borderColor: cssColour("--quiet"), borderWidth: 1.5,
    backgroundColor: "transparent", pointRadius: 0, pointHitRadius: 0, mute: true };
}

/** Configuration of a scatter of contenders, cost on a log axis. options: xTitle, yTitle, share. */
function tradeOffChart(all, options) {
  const datasets = BACKENDS.filter((name) => all.some((one) => one.backend === name)).map((backend) => {
    const points = all.filter((one) => one.backend === backend)
      .flatMap((one) => one.records.map((r) => ({ one, r })));
    const style = look(backend, 0);
    return {
      label: backend, showLine: false, borderColor: style.colour, backgroundColor: style.colour,
      ...style.shape, pointRadius: 5, pointHoverRadius: 7, borderWidth: 2,
      data: points.map(({ one, r }) => ({ x: one.cost.value, y: r.value, one, record: r })),
      whiskers: points.map(({ r }) => (hasInterval(r) ? [r.ci_low, r.ci_high] : null)),
    };
  });
  return {
    type: "line", data: { datasets: [...datasets, frontDataset(all)] }, plugins: [whiskers, background],
    options: chartOptions({ x: valueAxis(all.map((one) => one.cost), { log: true, yTitle: options.xTitle }),
      y: valueAxis(all.flatMap((one) => one.records), options) }, tooltip(
      ({ raw }) => `${raw.one.label}, seed ${raw.record.seed ?? "–"}`,
      ({ raw }) => ["quality:", ...recordLines(raw.record), "cost:", ...recordLines(raw.one.cost)])),
  };
}

function tradeOffTable(all, costName) {
  const quiet = (text) => make("span", { class: "quiet small-text block" }, text);
  const seeds = distinct(all.flatMap((one) => one.records.map((r) => r.seed))).sort((a, b) => a - b);
  const rows = all.map(({ backend, label, cost, records, mean, front }) => [
    make("th", { scope: "row" }, swatch(backend), ` ${label}`),
    valued(cost.value, make("span", { title: fullText(cost) }, show(cost.value, cost.unit),
      hasInterval(cost) ? quiet(interval(cost)) : null)),
    ...seeds.map((seed) => {
      const r = records.find((record) => record.seed === seed);
      return r ? valued(r.value, make("span", { title: fullText(r) }, show(r.value, r.unit),
        quiet(interval(r)), quiet(`n = ${r.n ?? "–"}`))) : "–";
    }), mean === null ? "– (n differs)" : valued(mean, show(mean, records[0].unit)), front ? make("strong", {}, "yes") : "no"]);
  return make("details", { class: "numbers", open: "" }, make("summary", {}, `Numbers (${rows.length})`),
    table(["backend", withUnit(costName, all[0].cost.unit), ...seeds.map((seed) => `seed ${seed ?? "–"}`), "mean",
      "on the front"], rows, { numeric: seeds.map((_, i) => i + 2).concat(1, seeds.length + 2) }));
}

function tradeOffFigure(metric, panel, { name, of }) {
  const all = contenders(panel, of);
  if (all.length < 2) return [];
  const first = all[0].records[0], higher = first.higher_is_better;
  const options = { xTitle: withUnit(name, all[0].cost.unit), yTitle: withUnit(metricName(metric), first.unit),
    share: isShare(panel.records) };
  return [figure(`${metricName(metric)} against ${name.toLowerCase()}${panel.name ? ` — ${panel.name}` : ""}`,
    `At ${lengthName(first.context_length)} tokens; a point for each training seed, with its interval. ` +
    `${higher ? "Up" : "Down"} and left is better. The line, the Pareto front, is the best mean over seeds that at ` +
    "most that cost buys, without an interval: a backend off it is beaten by one that costs no more.",
    () => tradeOffChart(all, options), tradeOffTable(all, name))];
}

function tradeOffs() {
  const costs = costsShown();
  const plots = [...groupBy(MEASURED.filter(isQuality), (r) => r.metric)].flatMap(([metric, group]) =>
    panels(group).flatMap((panel) => costs.flatMap((cost) => tradeOffFigure(metric, panel, cost))));
  return plots.length ? figures(plots) : null;
}
