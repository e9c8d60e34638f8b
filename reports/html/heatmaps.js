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

/** A cell's contents: {text, note, title, colour or null, hatched, bold, record if there is one}. */
function heatContents(r, failed, scale) {
  if (!r) {
    return { text: failed ? failed.status : "–", note: "", title: failed ? `${failed.status}: ${failed.reason}` : "not measured",
      colour: null, hatched: true, bold: false };
  }
  return { text: show(r.value, r.unit), note: `n=${r.n ?? "–"}`, title: fullText(r), hatched: r.status !== "ok", record: r,
    colour: heatColour((r.value - scale.low) / (scale.high - scale.low || 1)), bold: isSignificant(differenceOf(r)) };
}

function heatCell({ text, note, title, colour, hatched, bold, record }) {
  const content = [make(bold ? "strong" : "span", {}, text), note ? make("span", { class: "block tiny" }, note) : null];
  const cell = make("td", { class: hatched ? "heat hatched" : "heat", title }, record ? samplesButton(record, content) : content);
  if (colour) Object.assign(cell.style, { backgroundColor: `rgb(${colour.join(", ")})`, color: inkOn(colour) });
  return cell;
}

/** From 0 to 1 of shares, else over what there is. */
const scaleOf = (records) => (isShare(records) ? { low: 0, high: 1 }
  : { low: Math.min(...records.map((r) => r.value)), high: Math.max(...records.map((r) => r.value)) });

/** Ends of the scale as they are written. */
const scaleEnds = ({ low, high }, unit) => [show(low, unit), show(high, unit)];

function scaleLegend(scale, unit, ...more) {
  const bar = make("span", { class: "scale", "aria-hidden": "true" }), [low, high] = scaleEnds(scale, unit);
  bar.style.background = `linear-gradient(to right, ${CIVIDIS.map((c) => `rgb(${c})`).join(", ")})`;
  return make("p", { class: "legend" }, low, bar, high, more);
}

function gridTable({ backend, label, corner, columns, rows }) {
  return make("div", { class: "heatmap" }, make("h4", {}, swatch(backend), ` ${label}`),
    table([make("span", {}, corner.map((line) => make("span", { class: "block" }, line))), ...columns], rows.map(({ name, cells }) =>
      [make("th", { scope: "row", class: "number" }, name), ...cells.map(heatCell)]), { numeric: [0], sortable: false }));
}

/**
 * A figure of tables on one scale. Each grid is {backend, label, corner: [down, across], columns: [names],
 * rows: [{name, cells: [heatContents()]}]}.
 */
function heatFigure(title, caption, grids, { scale, unit, key = [], numbers = null }) {
  const entry = { title, caption, picture: () => gridPicture(title, grids, scaleEnds(scale, unit)) };
  return make("figure", { class: "wide" }, figureHead(entry, []), make("div", { class: "heatmaps" }, grids.map(gridTable)),
    scaleLegend(scale, unit, key), make("figcaption", {}, caption), numbers);
}

/** Depth down, context length across, one table a series; all on one scale. */
function heatmaps(title, panel) {
  const records = panel.records, scale = scaleOf(records);
  const depths = distinct(records.map((r) => r.depth)).sort((a, b) => a - b);
  const broken = [...BROKEN.values()].filter((c) => c.task === records[0].task && c.model === records[0].model);
  const lengths = distinct([...records, ...broken].map((r) => r.context_length))
    .filter((length) => length !== null).sort((a, b) => a - b);
  const grids = panel.series.map(({ backend, label, points }) => {
    const at = new Map(points.map((r) => [keyOf(r.depth, r.context_length), r]));
    return { backend, label, corner: ["depth ↓", "tokens →"], columns: lengths.map(lengthName), rows: depths.map((depth) => ({
      name: `${Number(depth.toFixed(1))}%`, cells: lengths.map((length) =>
        heatContents(at.get(keyOf(depth, length)), brokenCell(backend, records[0], length), scale)) })) };
  });
  const some = (wanted) => grids.some(({ rows }) => rows.some(({ cells }) => cells.some(wanted)));
  const key = some(({ hatched }) => hatched) ? [make("span", { class: "hatched key" }), "no valid result"] : [];
  const bold = some((cell) => cell.bold)
    ? " Bold: differs from the baseline at that depth and length (false discovery rate .05)." : "";
  return heatFigure(title, "Down: how much of the filler stands before the evidence. Across: context length. Success " +
    `along the bottom alone is a window, which sees late evidence only; an even table is real reach.${bold}`, grids,
  { scale, unit: records[0].unit, key, numbers: numbersTable(panel.series) });
}
