// What single heads do: tables of layers and heads, and what the loss is without a part.

const HEAD_CAPTIONS = {
  "introspection/attention_entropy": "How evenly a head spreads its attention: 0 is one token.",
  "introspection/attended_distance": "How far back the tokens lie that a head attends to, by their weight.",
  "introspection/sink_mass": "Share of a head's attention that goes to the first tokens.",
  "introspection/memory_share": "Share of a head's output that comes out of its memory.",
  "introspection/memory_norm": "Size of what the memory holds.",
  "introspection/memory_rank": "How many directions the memory tells apart, of those it has room for.",
  "introspection/gate": "Sigmoid of the head's gate: 1 is all memory.",
};

/** "layer=1:head=3" -> {layer: 1, head: 3}; the second may be a kv_head. */
const headOf = (r) => {
  const [, layer, head] = /^layer=(\d+):(?:kv_)?head=(\d+)$/.exec(r.subtask) ?? [];
  return layer === undefined ? null : { layer: Number(layer), head: Number(head) };
};

/** Layers down, heads across, a table a series; all on one scale. */
function headTables(title, caption, panel) {
  const places = panel.records.map(headOf);
  const layers = distinct(places.map((p) => p.layer)).sort((a, b) => a - b);
  const heads = distinct(places.map((p) => p.head)).sort((a, b) => a - b);
  const scale = scaleOf(panel.records);
  const grids = panel.series.map(({ backend, label, points }) => {
    const at = new Map(points.map((r) => [keyOf(headOf(r).layer, headOf(r).head), r]));
    return { backend, label, corner: ["layer ↓"], columns: heads.map((head) => `head ${head}`), rows: layers.map((layer) => ({
      name: String(layer), cells: heads.map((head) => heatContents(at.get(keyOf(layer, head)), null, scale)) })) };
  });
  return heatFigure(title, caption, grids, { scale, unit: panel.records[0].unit });
}

/** Losses without a part, as a forest; what they are of stands in the metric's name. */
function knockOuts(records) {
  return panels(records.map((r) => ({ ...r, subtask: "" }))).map((panel) => {
    const rows = panel.series.flatMap((series) => series.points.map((r) => ({ ...r,
      rowLabel: `${r.metric.split("/")[1].replace("_off", "").replace("local", "local attention")}: ${series.label}, ` +
        lengthName(r.context_length) }))).sort((a, b) => a.metric.localeCompare(b.metric));
    return forestFigure(`Loss added without a part${panel.name ? ` — ${panel.name}` : ""}`, "The same text with one part of " +
      "the mechanism switched off: above 0, the model relies on it. Filled: the interval leaves 0 out.", rows,
    withUnit("Loss added", rows[0].unit), numbersTable(panel.series), "Part, backend");
  });
}

function introspection() {
  const records = withPrefix("introspection");
  if (records.length === 0) return null;
  const whole = records.filter((r) => !isPart(r)), off = whole.filter((r) => r.metric.endsWith("_off"));
  const longest = (group) => Math.max(...group.map((r) => r.context_length));
  const heads = [...groupBy(records.filter(headOf), (r) => r.metric)].flatMap(([metric, group]) =>
    panels(group.filter((r) => r.context_length === longest(group))).map((panel) => headTables(
      withUnit(metricName(metric), group[0].unit) + (panel.name ? ` — ${panel.name}` : ""),
      `${HEAD_CAPTIONS[metric] ?? ""} At ${lengthName(longest(group))} tokens.`, panel)));
  const rest = whole.filter((r) => !r.metric.endsWith("_off"));
  return [off.length ? figures(knockOuts(off)) : null, heads, rest.length ? folded("All heads together, by context length",
    () => figures(lengthFigures(rest, () => "Mean over heads."))) : null];
}
