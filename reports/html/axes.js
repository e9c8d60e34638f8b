// Axes of charts.

/** An axis that a button makes logarithmic or linear. */
const eitherWay = (log, linear, startsLog) => ({ log, linear, startsLog });

/** Values of an ascending list that stand `gap` or more apart on an axis from 0 to 1, the last one always. */
const spaced = (values, place, gap) => values.reduceRight((kept, value) =>
  (kept.length === 0 || place(kept[0]) - place(value) >= gap ? [value, ...kept] : kept), []);

/** Round numbers between two ends of a log axis, close enough together to read it by. */
function logTicks(low, high, unit) {
  const base = unit === "bytes" ? 2 : 10;
  const steps = unit === "bytes" ? [[1], [1, 1.5], [1, 1.25, 1.5, 1.75], [1, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875]]
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
  const place = (value) => Math.log(value / low) / Math.log(high / low);
  return spaced(ticks, place, 0.08).map((value) => ({ value }));
}

/** A tick's number, no longer than it needs to be. */
const tickName = (value, unit) => (unit === "bytes" ? bytesName(value)
  : value !== 0 && (Math.abs(value) >= 1e9 || Math.abs(value) < 1e-4) ? value.toExponential(0)
    : Math.abs(value) >= 1e6 ? `${Number((value / 1e6).toPrecision(3))} M`
    : Number(value.toPrecision(3)).toLocaleString("en-US", { maximumFractionDigits: 8 })).replaceAll("-", "−");

/** A log axis from `low` to `high`, both above 0, with its own ticks. */
function logAxis(title, low, high, unit) {
  const min = low / 1.12, max = high * 1.12;
  return { type: "logarithmic", min, max, title, afterBuildTicks(axis) { axis.ticks = logTicks(min, max, unit); },
    ticks: { maxRotation: 0, callback: (value) => tickName(value, unit) } };
}

/** Multiples of a power of two from `low` to `high`, for axes of bytes. */
function binaryTicks(low, high) {
  const step = 2 ** Math.ceil(Math.log2((high - low) / 6)), first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => ({ value: (first + i) * step }));
}

/** A linear axis with room beyond `low` and `high`, and from 0 where that is near. */
function linearAxis(title, low, high, unit) {
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return { type: "linear", title, suggestedMin: low >= 0 ? Math.max(0, low - margin) : low - margin,
    suggestedMax: high + margin, ticks: { maxRotation: 0, callback: (value) => tickName(value, unit) },
    ...(unit === "bytes" ? { afterBuildTicks(axis) { axis.ticks = binaryTicks(axis.min, axis.max); } } : {}) };
}

/** Titles of axes break in two where one line would not fit. */
function axisTitle(text) {
  const space = text.length > 30 ? text.lastIndexOf(" ", 30) : -1;
  return { display: true, text: space > 0 ? [text.slice(0, space), text.slice(space + 1)] : text };
}

/** Axis of context lengths with a tick at each length measured, as far as there is room. */
function lengthAxis(lengths) {
  const title = axisTitle("Context length (tokens)"), [low, high] = [lengths[0], lengths.at(-1)];
  const axis = (type, min, max, place) => ({ type, min, max, title,
    ticks: { callback: (value) => lengthName(value), maxRotation: 0 },
    afterBuildTicks(made) { made.ticks = spaced(lengths, place, 0.085).map((value) => ({ value })); } });
  const log = axis("logarithmic", low / 1.12, high * 1.12, (length) => Math.log(length / low) / Math.log(high / low));
  const margin = 0.04 * (high - low);
  return lengths.length < 2 ? log
    : eitherWay(log, axis("linear", low - margin, high + margin, (length) => (length - low) / (high - low)), true);
}

/** Axis from 0 to 1, wide enough for the lines at its ends. */
const shareAxis = (title) => ({ title, min: -0.02, max: 1.02, afterBuildTicks(axis) {
  axis.ticks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((value) => ({ value }));
} });

/** The least and the largest of any number of values. */
const extent = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)],
  [Infinity, -Infinity]);

/** Axis between the least and the largest of `ends`; either way where all are above 0. options: title, unit, log, share. */
function axisOver(ends, { title, unit = "", log = false, share = false }) {
  const [low, high] = extent(ends), named = axisTitle(title);
  const linear = share ? shareAxis(named) : linearAxis(named, low, high, unit);
  return low > 0 && Number.isFinite(high) ? eitherWay(logAxis(named, low, high, unit), linear, log) : linear;
}

/** Axis of values with room for the whiskers. options: yTitle, log, share. */
function valueAxis(records, { yTitle, log, share }) {
  const ends = records.flatMap((r) => [r.value, r.ci_low, r.ci_high]).filter((v) => v !== null);
  return axisOver(ends, { title: yTitle, unit: records[0].unit, log, share });
}
