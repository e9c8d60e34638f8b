// Power laws fitted to what grows with the context.

/** Student's t, 97.5%, by degrees of freedom from 1. */
const STUDENT = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604,
  2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860];
/** Beyond the table, the first terms of Cornish and Fisher's expansion about the normal quantile. */
const student = (freedom) => STUDENT[freedom - 1] ?? 1.96 + 2.3723 / freedom + 2.8225 / freedom ** 2;

/**
 * Least squares of log y on log x from three lengths or more, else null: {exponent, at(length), low, high,
 * lengths}. The ends, 95% by Student's t of the slope as `longreach bench` has it, are null for three lengths.
 */
function powerLaw(points) {
  const usable = points.filter((r) => r.value > 0 && r.context_length > 0), n = usable.length;
  if (n < 3) return null;
  const x = usable.map((r) => Math.log(r.context_length)), y = usable.map((r) => Math.log(r.value));
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const mx = mean(x), my = mean(y), xx = x.reduce((sum, xi) => sum + (xi - mx) ** 2, 0);
  if (xx === 0) return null;
  const exponent = x.reduce((sum, xi, i) => sum + (xi - mx) * (y[i] - my), 0) / xx;
  const residual = x.reduce((sum, xi, i) => sum + (y[i] - my - exponent * (xi - mx)) ** 2, 0);
  const half = n > 3 ? student(n - 2) * Math.sqrt(residual / (n - 2) / xx) : null;
  return { exponent, lengths: n, at: (length) => Math.exp(my + exponent * (Math.log(length) - mx)),
    low: half === null ? null : exponent - half, high: half === null ? null : exponent + half };
}

/** "1.02 [0.98, 1.06]" */
function exponentText({ exponent, low, high }) {
  const text = (value) => value.toFixed(2).replace(/^-0\.00$/, "0.00").replace("-", "−");
  return text(exponent) + (low === null ? "" : ` [${text(low)}, ${text(high)}]`);
}

/** The fitted line of a series as a thin dataset, instead of what joins its points; none where nothing is fitted. */
function fitDataset(series, dataset) {
  const fit = powerLaw(series.points);
  if (!fit) return [];
  const ends = [series.points[0], series.points.at(-1)].map((r) => r.context_length);
  Object.assign(dataset, { showLine: false, key: { showLine: true } });
  return [{ label: series.label, mute: true, borderColor: dataset.borderColor, backgroundColor: "transparent", borderWidth: 1,
    borderDash: dataset.borderDash, pointRadius: 0, pointHitRadius: 0,
    data: ends.map((x) => ({ x, y: fit.at(x) })) }];
}
