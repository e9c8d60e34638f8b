// The sections on answers: by context length, by part and by depth.

const KNOWN = ["perplexity", "divergence", "generation", "utilization", "ablation", "mutual_information", "coherence",
  "relevance", "introspection", "blur", "latency", "memory", "training"];
/** Scores of answers: anything with a chance level, a depth or a main score that no other section knows. */
const isRetrieval = (r) => !KNOWN.includes(r.prefix) && !isDifference(r) && (r.chance !== null || r.depth !== null || isMain(r));
const DEEP = new Set(MEASURED.filter((r) => r.depth !== null).map((r) => r.metric));

/** The longest length up to which every interval lies above chance, by series. */
function reachAboveChance(panel) {
  if (!panel.records[0].higher_is_better) return "";
  const reach = panel.series.flatMap((series) => {
    const tested = series.points.filter((r) => r.chance !== null && hasInterval(r));
    const end = tested.findIndex((r) => r.ci_low <= r.chance);
    const last = end === -1 ? tested.at(-1) : tested[end - 1];
    return tested.length === 0 ? [] : [{ label: series.label, length: last?.context_length ?? 0 }];
  });
  const texts = [...groupBy(reach, (item) => item.length)].sort((x, y) => x[0] - y[0]).map(([length, items]) =>
    `${items.length === panel.series.length && items.length > 3 ? "all" : items.map((item) => item.label).join(", ")} ` +
    (length ? `up to ${lengthName(length)}` : "nowhere"));
  return texts.length ? ` Clear of chance, the whole interval above it: ${texts.join("; ")}.` : "";
}

function controlTable(records) {
  const lengths = distinct(records.map((r) => r.context_length)).sort((a, b) => a - b);
  const rows = panels(records).flatMap((panel) => panel.series.map((series) => [
    make("th", { scope: "row" }, swatch(series.backend), ` ${series.label}`),
    metricName(series.points[0].metric) + (panel.name ? ` — ${panel.name}` : ""),
    ...lengths.map((length) => {
      const r = series.points.find((point) => point.context_length === length);
      return r ? valued(r.value, make("span", { title: fullText(r) }, show(r.value, r.unit),
        make("span", { class: "quiet small-text block" }, make("span", { class: "whole" }, interval(r)), " ",
          make("span", { class: "whole" }, `n = ${r.n ?? "–"}`))))
        : brokenCell(series.backend, series.points[0], length)?.status ?? "–";
    })]));
  return [make("h3", {}, "Positive control: evidence within the local window"),
    paragraph("Near: the evidence lies within the window or segment. Control: it stands right before the question. Here every " +
      "backend sees it exactly; a low score in this table is a fault of the model or the task, and the " +
      "curves above then say nothing about reach.", "quiet"),
    table(["backend", "score", ...lengths.map(lengthName)], rows, { numeric: lengths.map((_, i) => i + 2) })];
}

/** What is shown of `records` at once, those of main scores, and the rest of each task to open. */
function mainFirst(records, figuresOf, isShown = isMain) {
  const [main, rest] = [records.filter(isShown), records.filter((r) => !isShown(r))];
  return [main.length ? figures(figuresOf(main)) : null, [...groupBy(rest, (r) => r.task)].map(([task, group]) =>
    folded(`Other scores of ${task}: ${distinct(group.map((r) => metricName(r.metric))).join(", ")}`,
      () => figures(figuresOf(group))))];
}

function retrieval() {
  const answers = MEASURED.filter((r) => isRetrieval(r) && r.depth === null);
  const pooled = answers.filter((r) => !isPart(r) && !isControl(r));
  const control = answers.filter((r) => isControl(r) && isMain(r));
  if (answers.length === 0) return null;
  const caption = (metric, panel) => {
    const several = distinct(panel.records.map((r) => r.context_length)).length > 1;
    const marks = [panel.records.some(hasInterval) && "whiskers are intervals",
      panel.records.some((r) => r.chance !== null) && "dashed grey is chance"].filter(Boolean).join(", ");
    return (several ? "A flat line keeps its evidence at any length; a drop marks where it is lost." : "At one length.") +
      direction(panel.records) + (DEEP.has(metric) ? " Pooled over depths." : "") +
      (marks ? ` ${marks[0].toUpperCase()}${marks.slice(1)}.` : "") + (isMain(panel.records[0]) ? reachAboveChance(panel) : "");
  };
  return [mainFirst(pooled, (records) => lengthFigures(records, caption, { ends: true }),
    (r) => isMain(r) && r.subtask === ""), control.length ? controlTable(control) : null];
}

/** "distance=16-31" -> ["distance", "16-31"] */
const partOf = (r) => { const at = r.subtask.indexOf("="); return [r.subtask.slice(0, at), r.subtask.slice(at + 1)]; };

const PART_NAMES = { crossed: "segments passed", age: "age in turns", distance: "distance in tokens" };

/** One figure for each score and kind of part, the parts along x, at the longest context that most backends have. */
function partFigures(records) {
  return [...groupBy(records, (r) => keyOf(r.metric, r.model, r.task, partOf(r)[0])).values()].map((group) => {
    const reached = groupBy(group, (r) => r.context_length), backends = (rows) => distinct(rows.map((r) => r.backend)).length;
    const [length, at] = [...reached].sort((a, b) => backends(b[1]) - backends(a[1]) || b[0] - a[0])[0];
    const { metric, task, model, unit } = group[0], [key] = partOf(group[0]), name = PART_NAMES[key] ?? key;
    const number = (part) => parseFloat(part.replace(/^[^\d]*/, ""));
    const parts = distinct(at.map((r) => partOf(r)[1])), ordered = parts.every((part) => !Number.isNaN(number(part)));
    if (ordered) parts.sort((a, b) => number(a) - number(b));
    const options = { yTitle: withUnit(metricName(metric), unit), xTitle: name, share: isShare(group), line: ordered };
    return figure([`${metricName(metric)} by ${name}`, task, model].filter(Boolean).join(" — "),
      `${ordered ? "Falling to the right, what lies further back is lost" : "Which questions are answered"}: scores by ` +
      `${name} at ${lengthName(length)} tokens, whiskers are intervals; the numbers have all lengths.${direction(group)}`,
      () => partChart(seriesOf(at), parts, options), numbersTable(seriesOf(group)));
  });
}

function byPart() {
  const records = MEASURED.filter((r) => isRetrieval(r) && isPart(r) && r.depth === null);
  return records.length ? mainFirst(records, partFigures) : null;
}

function depthHeatmaps() {
  const deep = MEASURED.filter((r) => isRetrieval(r) && r.depth !== null && !isControl(r) && !isPart(r));
  const main = deep.filter(isMain);
  const chosen = main.length ? main : deep.filter((r) => r.metric === deep[0].metric);
  if (chosen.length === 0) return null;
  return [...groupBy(chosen, (r) => r.metric)].flatMap(([metric, group]) => panels(group).map((panel) =>
    heatmaps(`${metricName(metric)} by depth and length` + (panel.name ? ` — ${panel.name}` : ""), panel)));
}
