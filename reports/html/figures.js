// Charts: one look for all, colours per backend, intervals drawn, numbers beneath.

const DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3]];
/** Shapes that can be filled or hollow, as [pointStyle, pointRotation]. */
const SHAPES = [["circle", 0], ["rectRot", 0], ["triangle", 0], ["rect", 0], ["triangle", 180], ["triangle", 90],
  ["triangle", 270]];
const COLOURS = 7;  // --series-0 ... in page.css

const cssColour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A backend has one colour, point shape and, where colours repeat, dash in every figure. */
function look(backend, variant) {
  const index = Math.max(0, BACKENDS.indexOf(backend));
  const [pointStyle, pointRotation] = SHAPES[(index + Math.floor(index / COLOURS)) % SHAPES.length];
  return {
    colour: cssColour(`--series-${index % COLOURS}`),
    shape: { pointStyle, pointRotation },
    dash: DASHES[(variant + Math.floor(index / COLOURS)) % DASHES.length],
  };
}

/** A DOM element; children are nodes or text, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined)
    .map((child) => (typeof child === "number" ? String(child) : child)));
  return element;
}

/** The same colour, seen through. */
const faded = (colour, opacity) => colour.replace(/^#(..)(..)(..)$/, (_, ...parts) =>
  `rgba(${parts.slice(0, 3).map((part) => parseInt(part, 16)).join(", ")}, ${opacity})`);

/** Series drawn side by side rather than on top of each other, a hair apart on the log axis. */
const dodge = (x, i, count) => x * Math.exp((i - (count - 1) / 2) * Math.min(0.014, 0.08 / count));

function lineDataset(series, i, count) {
  const style = look(series.backend, series.variant);
  return {
    label: series.label, borderColor: style.colour, borderDash: style.dash, borderWidth: 2,
    ...style.shape, pointRadius: 4, pointHoverRadius: 6,
    pointBackgroundColor: series.points.map((r) => (r.status === "ok" ? style.colour : "transparent")),
    backgroundColor: style.colour, showLine: !series.pointsOnly,
    data: series.points.map((r) => ({ x: dodge(r.context_length, i, count), y: r.value, record: r })),
    whiskers: series.points.map((r) => (hasInterval(r) ? [r.ci_low, r.ci_high] : null)),
  };
}

/** A dashed grey line at what guessing would score, from [[x, chance], ...]. */
function chanceDataset(pairs) {
  const chance = new Map(pairs.filter(([, y]) => y !== null));
  if (chance.size === 0) return null;
  return {
    label: "chance", borderColor: cssColour("--quiet"), backgroundColor: "transparent", order: 1,
    borderDash: [3, 3], borderWidth: 1.5, pointRadius: 0, pointHitRadius: 0,
    data: [...chance].sort((a, b) => a[0] - b[0]).map(([x, y]) => ({ x, y })),
  };
}

/** Lines of a tooltip about a record: value, n and interval, each on its own. */
const recordLines = (r) => fullText(r).split(" · ");

/** What a pointer shows of a point: `title(item)` and `lines(item)`. */
const tooltip = (title, lines) => ({ displayColors: false, filter: (item) => !item.dataset.mute,
  callbacks: { title: (items) => (items.length ? title(items[0]) : ""), label: (item) => lines(item) } });

/** Chart.js options that every chart shares. */
const chartOptions = (scales, tip, more = {}) => ({ parsing: false,
  interaction: { mode: "nearestTelling", intersect: false }, scales, plugins: { tooltip: tip }, ...more });

/** The name at a line's end: its backend's, where it goes on to the last length and few others do. */
function nameEnds(datasets, seriesList, last) {
  const names = distinct(seriesList.map((s) => s.backend));
  if (names.length > 8) return 0;
  datasets.forEach((dataset, i) => {
    const { backend, points } = seriesList[i];
    if (points.at(-1)?.context_length === last) dataset.endLabel = backend;
  });
  return 20 + 6.6 * Math.min(18, Math.max(...names.map((name) => name.length)));
}

/**
 * Configuration of a chart over context length. options: yTitle, log, share, chance; fit: lines are fitted power
 * laws; ends: lines are named where they end.
 * A series may have `ring`, the record of its effective length.
 */
function lengthChart(seriesList, options) {
  const records = seriesList.flatMap((s) => s.points);
  const lengths = distinct(records.map((r) => r.context_length)).sort((a, b) => a - b);
  const crowded = seriesList.filter((s) => s.ring).length > FEW_RINGS;
  const datasets = seriesList.map((s, i) => ({ ...lineDataset(s, i, seriesList.length), ring: ringOf(s, crowded) }));
  const right = options.ends && lengths.length > 1 ? nameEnds(datasets, seriesList, lengths.at(-1)) : 0;
  const fits = options.fit ? seriesList.flatMap((s, i) => fitDataset(s, datasets[i])) : [];
  const chance = options.chance ? chanceDataset(records.map((r) => [r.context_length, r.chance])) : null;
  const ring = ({ datasetIndex, dataIndex }) => (datasets[datasetIndex]?.ring?.index === dataIndex
    ? [effectiveLength(seriesList[datasetIndex].ring)] : []);
  return {
    type: "line", data: { datasets: [...datasets, ...(chance ? [chance] : []), ...fits] },
    plugins: [whiskers, rings, endLabels, background],
    options: chartOptions({ x: lengthAxis(lengths), y: valueAxis(records, options) }, tooltip(
      ({ raw, dataset }) => (raw.record ? `${dataset.label}, ${lengthName(raw.record.context_length)} tokens` : "chance"),
      (item) => (item.raw.record ? [...recordLines(item.raw.record), ...ring(item)] : show(item.raw.y, ""))),
    { layout: { padding: { right } } }),
  };
}

/** More rings than these have their intervals in tooltips and numbers only. */
const FEW_RINGS = 4;

/** Where a series' effective length is among its points, and its interval unless that would crowd the chart. */
function ringOf({ points, ring }, crowded) {
  const index = ring ? points.findIndex((r) => r.context_length === ring.value) : -1;
  return index === -1 ? null : { index, ends: crowded ? null : [ring.ci_low ?? ring.value, ring.ci_high ?? ring.value] };
}

/** Configuration of a chart over parts in that order. options: yTitle, xTitle, share, line. */
function partChart(seriesList, parts, options) {
  const place = new Map(parts.map((part, i) => [part, i])), count = seriesList.length;
  const aside = (i) => (count < 2 ? 0 : 0.5 * (i / (count - 1) - 0.5));
  const datasets = seriesList.map((s, i) => {
    const points = [...s.points].sort((a, b) => place.get(partOf(a)[1]) - place.get(partOf(b)[1]));
    return { ...lineDataset({ ...s, points }, i, count), showLine: options.line, borderWidth: options.line ? 1.5 : 2,
      data: points.map((r) => ({ x: place.get(partOf(r)[1]) + aside(i), y: r.value, record: r })) };
  });
  const title = axisTitle(options.xTitle.replace(/^./u, (first) => first.toUpperCase()));
  const x = { type: "linear", min: -0.5, max: parts.length - 0.5, title, grid: { display: false },
    afterBuildTicks(axis) { axis.ticks = parts.map((_, value) => ({ value })); },
    ticks: { autoSkip: false, minRotation: parts.length > 6 ? 30 : 0, callback: (value) => parts[value] ?? "" } };
  return {
    type: "line", data: { datasets }, plugins: [whiskers, background],
    options: chartOptions({ x, y: valueAxis(seriesList.flatMap((s) => s.points), options) }, tooltip(
      ({ raw, dataset }) => `${dataset.label}, ${options.xTitle} ${partOf(raw.record)[1]}`,
      ({ raw }) => recordLines(raw.record))),
  };
}
