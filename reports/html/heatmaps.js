// Heatmaps: tables coloured on one scale.

// Cividis (Nuñez, Anderton & Renslow 2018): even in lightness and safe for colour-blind readers.
const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115],
  [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]];

function heatColour(share) {
  const place = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const i = Math.min(CIVIDIS.length - 2, Math.floor(place));
  return CIVIDIS[i].map((c, k) => Math.round(c + (CIVIDIS[i + 1][k] - c) * (place - i)));
}

/** Black or white, whichever stands out more (WCAG 2.2's relative luminance): one of them is always above 4.5:1. */
function inkOn(rgb) {
  const [red, green, blue] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) ? "#000" : "#fff";
}

function heatCell(r, failed, scale) {
  if (!r) {
    const title = failed ? `${failed.status}: ${failed.reason}` : "not measured";
    return make("td", { class: "heat hatched", title }, failed ? failed.status : "–");
  }
  const ground = heatColour((r.value - scale.low) / (scale.high - scale.low || 1));
  const cell = make("td", { class: r.status === "ok" ? "heat" : "heat hatched", title: fullText(r) },
    make(isSignificant(differenceOf(r)) ? "strong" : "span", {}, show(r.value, r.unit)),
    make("span", { class: "block tiny" }, `n=${r.n ?? "–"}`));
  cell.style.backgroundColor = `rgb(${ground})`;
  cell.style.color = inkOn(ground);
  return cell;
}

/** From 0 to 1 of shares, else over what there is. */
const scaleOf = (records) => (isShare(records) ? { low: 0, high: 1 }
  : { low: Math.min(...records.map((r) => r.value)), high: Math.max(...records.map((r) => r.value)) });

function scaleLegend(scale, unit, ...more) {
  const bar = make("span", { class: "scale", "aria-hidden": "true" });
  bar.style.background = `linear-gradient(to right, ${CIVIDIS.map((c) => `rgb(${c})`).join(", ")})`;
  return make("p", { class: "legend" }, show(scale.low, unit), bar, show(scale.high, unit), more);
}

/** Depth down, context length across, one table a series; all on one scale. */
function heatmaps(panel) {
  const records = panel.records, scale = scaleOf(records);
  const depths = distinct(records.map((r) => r.depth)).sort((a, b) => a - b);
  const broken = [...BROKEN.values()].filter((c) => c.task === records[0].task && c.model === records[0].model);
  const lengths = distinct([...records, ...broken].map((r) => r.context_length))
    .filter((length) => length !== null).sort((a, b) => a - b);
  const tables = panel.series.map((series) => {
    const at = new Map(series.points.map((r) => [keyOf(r.depth, r.context_length), r]));
    const rows = depths.map((depth) => [
      make("th", { scope: "row", class: "number" }, `${Number(depth.toFixed(1))}%`),
      ...lengths.map((length) => heatCell(at.get(keyOf(depth, length)),
        brokenCell(series.backend, records[0], length), scale))]);
    return make("div", { class: "heatmap" }, make("h4", {}, swatch(series.backend), ` ${series.label}`),
      table(["depth", ...lengths.map(lengthName)], rows, { numeric: [0], sortable: false }));
  });
  return make("div", {}, make("div", { class: "heatmaps" }, tables),
    scaleLegend(scale, records[0].unit, make("span", { class: "hatched key" }), "no valid result (hover for the reason). " +
      "Bold: differs from the baseline at that depth and length (false discovery rate .05)"), numbersTable(panel.series));
}
