// Charts: one look for all, colours per backend, intervals drawn, numbers beneath.

const DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3]];
const SHAPES = ["circle", "rectRot", "triangle", "rect", "star", "crossRot"];
const COLOURS = 7;  // --series-0 ... in page.css

const cssColour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A backend has one colour, point shape and, where colours repeat, dash in every figure. */
function look(backend, variant) {
  const index = Math.max(0, BACKENDS.indexOf(backend));
  return {
    colour: cssColour(`--series-${index % COLOURS}`),
    shape: SHAPES[(index + Math.floor(index / COLOURS)) % SHAPES.length],
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

/** Whiskers from dataset.whiskers[i] = [low, high], behind the points. */
const whiskers = {
  id: "whiskers",
  beforeDatasetsDraw(chart) {
    const { ctx, chartArea: area } = chart;
    chart.data.datasets.forEach((dataset, d) => {
      if (!dataset.whiskers || !chart.isDatasetVisible(d)) return;
      const along = dataset.sideways ? chart.scales.x : chart.scales.y;
      ctx.save();
      ctx.beginPath();
      ctx.rect(area.left - 4, area.top - 4, area.width + 8, area.height + 8);
      ctx.clip();
      ctx.strokeStyle = dataset.borderColor;
      ctx.lineWidth = 1.5;
      if (chart.data.datasets.length > 5 && !dataset.sideways) ctx.globalAlpha = 0.5;
      chart.getDatasetMeta(d).data.forEach((point, i) => {
        const ends = dataset.whiskers[i];
        if (!ends) return;
        const [low, high] = ends.map((end) => along.getPixelForValue(end));
        const cap = 4;
        ctx.beginPath();
        if (dataset.sideways) {
          ctx.moveTo(low, point.y); ctx.lineTo(high, point.y);
          for (const x of [low, high]) { ctx.moveTo(x, point.y - cap); ctx.lineTo(x, point.y + cap); }
        } else {
          ctx.moveTo(point.x, low); ctx.lineTo(point.x, high);
          for (const y of [low, high]) { ctx.moveTo(point.x - cap, y); ctx.lineTo(point.x + cap, y); }
        }
        ctx.stroke();
      });
      ctx.restore();
    });
  },
};

/** White behind exported pictures. */
const background = {
  id: "background",
  beforeDraw(chart) {
    chart.ctx.save();
    chart.ctx.fillStyle = cssColour("--panel");
    chart.ctx.fillRect(0, 0, chart.width, chart.height);
    chart.ctx.restore();
  },
};

/** Height of a figure in pixels, with room for the rows that its legend will take. */
const heightFor = (labels) =>
  270 + 22 * Math.ceil(labels.reduce((sum, label) => sum + 45 + 6.5 * label.length, 0) / 440);

/** Round numbers between two ends of a log axis, close enough together to read it by. */
function logTicks(low, high, unit) {
  const base = unit === "bytes" ? 2 : 10;
  const steps = unit === "bytes" ? [[1], [1, 1.5], [1, 1.25, 1.5, 1.75]]
    : [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8],
      [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9]];
  const between = (multiples) => {
    const ticks = [];
    for (let e = Math.floor(Math.log(low) / Math.log(base)); base ** e <= high; ++e) {
      ticks.push(...multiples.map((m) => m * base ** e).filter((v) => v >= low && v <= high));
    }
    return ticks;
  };
  const ticks = between(steps.find((multiples) => between(multiples).length >= 4) ?? steps.at(-1));
  const every = Math.ceil(ticks.length / 9);
  return ticks.filter((_, i) => i % every === 0).map((value) => ({ value }));
}

/** A log axis from `low` to `high`, both above 0, with its own ticks. */
function logAxis(title, low, high, unit) {
  const min = low / 1.12, max = high * 1.12;
  return {
    type: "logarithmic", min, max, title,
    afterBuildTicks(axis) { axis.ticks = logTicks(min, max, unit); },
    ticks: { maxRotation: 0, callback: (value) => (unit === "bytes" ? bytesName(value)
      : value >= 1e6 || value < 1e-4 ? value.toExponential(0) : Number(value.toPrecision(3)).toLocaleString("en-US")) },
  };
}

/** Titles of axes break in two where one line would not fit. */
function axisTitle(text) {
  const space = text.length > 30 ? text.lastIndexOf(" ", 30) : -1;
  return { display: true, text: space > 0 ? [text.slice(0, space), text.slice(space + 1)] : text };
}

/** Axis of context lengths: log scale and a tick at each length measured. */
function lengthAxis(lengths) {
  return {
    type: "logarithmic", min: Math.min(...lengths) / 1.12, max: Math.max(...lengths) * 1.12,
    title: axisTitle("Context length (tokens)"),
    afterBuildTicks(axis) { axis.ticks = lengths.map((value) => ({ value })); },
    ticks: { callback: (value) => lengthName(value), maxRotation: 0 },
  };
}

/** Axis from 0 to 1, wide enough for the lines at its ends. */
const shareAxis = (title) => ({ title, min: -0.02, max: 1.02, afterBuildTicks(axis) {
  axis.ticks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((value) => ({ value }));
} });

/** Axis of values with room for the whiskers. options: yTitle, log, share. */
function valueAxis(records, options) {
  const ends = records.flatMap((r) => [r.value, r.ci_low, r.ci_high]).filter((v) => v !== null);
  const low = Math.min(...ends), high = Math.max(...ends), unit = records[0].unit;
  const title = axisTitle(options.yTitle);
  if (options.log && low > 0) return logAxis(title, low, high, unit);
  if (options.share) return shareAxis(title);
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return {
    title, suggestedMin: low >= 0 ? Math.max(0, low - margin) : low - margin, suggestedMax: high + margin,
    ticks: { callback: (value) => (unit === "bytes" ? bytesName(value)
      : String(Number(value.toPrecision(3))).replace("-", "−")) },
  };
}

/** Series drawn side by side rather than on top of each other, a hair apart on the log axis. */
const dodge = (x, i, count) => x * Math.exp((i - (count - 1) / 2) * Math.min(0.014, 0.08 / count));

function lineDataset(series, i, count) {
  const style = look(series.backend, series.variant);
  return {
    label: series.label, borderColor: style.colour, borderDash: style.dash, borderWidth: 2,
    pointStyle: style.shape, pointRadius: 4, pointHoverRadius: 6,
    pointBackgroundColor: series.points.map((r) => (r.status === "ok" ? style.colour : "transparent")),
    backgroundColor: style.colour, showLine: !series.pointsOnly,
    data: series.points.map((r) => ({ x: dodge(r.context_length, i, count), y: r.value, record: r })),
    whiskers: series.points.map((r) => (hasInterval(r) ? [r.ci_low, r.ci_high] : null)),
  };
}

/** A dashed grey line at what guessing would score. */
function chanceDataset(records) {
  const chance = new Map(records.filter((r) => r.chance !== null)
    .map((r) => [r.context_length, r.chance]));
  if (chance.size === 0) return null;
  return {
    label: "chance", borderColor: cssColour("--quiet"), backgroundColor: "transparent",
    borderDash: [3, 3], borderWidth: 1.5, pointRadius: 0, pointHitRadius: 0, pointStyle: "line",
    data: [...chance].sort((a, b) => a[0] - b[0]).map(([x, y]) => ({ x, y })),
  };
}

/** Point shapes name the backends; where seeds share them, lines with their dashes do. */
function legend(variants = false) {
  const labels = { usePointStyle: true, boxHeight: 7 };
  if (variants) {
    Object.assign(labels, { pointStyle: "line", pointStyleWidth: 30, generateLabels: (chart) =>
      Chart.defaults.plugins.legend.labels.generateLabels(chart).map((item) => ({ ...item,
        lineDash: chart.data.datasets[item.datasetIndex].borderDash, lineWidth: 2 })) });
  }
  return { position: "bottom", labels };
}

/** Configuration of a chart over context length. options: yTitle, log, share, chance. */
function lengthChart(seriesList, options) {
  const records = seriesList.flatMap((s) => s.points);
  const lengths = distinct(records.map((r) => r.context_length)).sort((a, b) => a - b);
  const datasets = seriesList.map((s, i) => lineDataset(s, i, seriesList.length));
  const chance = options.chance ? chanceDataset(records) : null;
  if (chance) datasets.push(chance);
  return {
    type: "line", data: { datasets }, plugins: [whiskers, background],
    options: {
      parsing: false, interaction: { mode: "nearest", intersect: false },
      scales: { x: lengthAxis(lengths), y: valueAxis(records, options) },
      plugins: {
        legend: legend(seriesList.some((s) => s.variant > 0)),
        tooltip: { callbacks: {
          title: (items) => {
            const r = items[0].raw.record;
            return r ? `${items[0].dataset.label}, ${lengthName(r.context_length)} tokens` : "chance";
          },
          label: (item) => (item.raw.record ? fullText(item.raw.record).split(" · ")
            : show(item.raw.y, "")),
        } },
      },
    },
  };
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
  return {
    type: "line", data: { datasets }, plugins: [whiskers, background],
    options: {
      parsing: false, interaction: { mode: "nearest", intersect: false },
      scales: {
        x: { type: "linear", min: -0.5, max: parts.length - 0.5, title: axisTitle(options.xTitle), grid: { display: false },
          afterBuildTicks(axis) { axis.ticks = parts.map((_, value) => ({ value })); },
          ticks: { autoSkip: false, minRotation: parts.length > 6 ? 30 : 0, callback: (value) => parts[value] ?? "" } },
        y: valueAxis(seriesList.flatMap((s) => s.points), options),
      },
      plugins: { legend: legend(seriesList.some((s) => s.variant > 0)), tooltip: { callbacks: {
        title: (items) => `${items[0].dataset.label}, ${options.xTitle} ${partOf(items[0].raw.record)[1]}`,
        label: (item) => fullText(item.raw.record).split(" · "),
      } } },
    },
  };
}

/** Least-squares slope of log y on log x, from three points or more. */
function exponent(points) {
  const usable = points.filter((r) => r.value > 0 && r.context_length > 0);
  if (usable.length < 3) return null;
  const x = usable.map((r) => Math.log(r.context_length)), y = usable.map((r) => Math.log(r.value));
  const mean = (v) => v.reduce((a, b) => a + b, 0) / v.length;
  const mx = mean(x), my = mean(y);
  return x.reduce((sum, xi, i) => sum + (xi - mx) * (y[i] - my), 0) /
    x.reduce((sum, xi) => sum + (xi - mx) ** 2, 0);
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

/**
 * Configuration of a chart of curves {label, backend, variant, points {x, y}} over their own x. options: share,
 * logX, logY; a log axis wants numbers above 0.
 * Curves of one run, told apart by `series`, have their own looks and are drawn as they are.
 */
function curveChart(curves, xTitle, yTitle, { share = false, logX = false, logY = false } = {}) {
  const looks = seriesLooks(curves.map((curve) => curve.series));
  const datasets = curves.flatMap((curve) => {
    const style = curve.series ? looks.get(curve.series) : look(curve.backend, curve.variant);
    const line = { label: curve.label, data: curve.points, borderColor: style.colour,
      borderWidth: style.width ?? 2, backgroundColor: style.colour, borderDash: style.dash, pointRadius: 0 };
    if (curve.series || curve.points.length < 60) return [line];
    return [{ ...line, data: smoothed(curve.points) },
      { ...line, borderColor: `${style.colour}38`, borderWidth: 1, borderDash: [], raw: true }];
  });
  const lines = legend(true);
  const logOf = (title, key) => {
    const values = curves.flatMap((curve) => curve.points.map((p) => p[key]));
    return values.length ? logAxis(axisTitle(title), Math.min(...values), Math.max(...values), "") : {};
  };
  return {
    type: "line", data: { datasets }, plugins: [background],
    options: {
      parsing: false, interaction: { mode: "nearest", intersect: false },
      scales: {
        x: logX ? logOf(xTitle, "x") : { type: "linear", title: axisTitle(xTitle),
          ticks: { maxRotation: 0, callback: (v) => (v >= 1e6 ? `${v / 1e6} M` : v >= 1e3 ? `${v / 1e3} k` : v) } },
        y: logY ? logOf(yTitle, "y") : share ? shareAxis(axisTitle(yTitle)) : { title: axisTitle(yTitle) },
      },
      plugins: {
        legend: { ...lines, labels: { ...lines.labels,
          filter: (item, data) => !data.datasets[item.datasetIndex].raw },
        onClick(event, item, { chart }) {
          const visible = chart.isDatasetVisible(item.datasetIndex);
          for (let i = item.datasetIndex; i === item.datasetIndex || datasets[i]?.raw; ++i) {
            chart.setDatasetVisibility(i, !visible);
          }
          chart.update();
        } },
        tooltip: { filter: (item) => !item.dataset.raw, callbacks: {
          title: (items) => (items.length ? `${items[0].dataset.label}, ${show(items[0].raw.x, "")}` : ""),
          label: (item) => show(item.raw.y, "") + (curves[0].series || logX ? "" : " (running mean)"),
        } },
      },
    },
  };
}
