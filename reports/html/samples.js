// What lies behind a number: the samples of its cell, in a dialog.

/** Samples by cell, and by the question asked: of one model and seed, all backends were asked the same. */
const SAMPLES = rowsOf(DATA.samples.shown).map((sample) => ({ ...sample, scores: JSON.parse(sample.scores) }));
const SAMPLES_OF_CELL = groupBy(SAMPLES, (sample) => sample.cell_id);
const SAMPLES_OF_HASH = groupBy(SAMPLES, (sample) => keyOf(sample.sample_sha, sample.index));

/** Samples on the page, of cells that are shown, each with its cell. */
const samplesShown = () => SAMPLES.filter((sample) => CELLS.has(sample.cell_id))
  .map((sample) => ({ ...sample, cell: CELLS.get(sample.cell_id) }));

/** Those that the record is of, at its depth where it has one; costs are of no sample. */
const samplesOf = (r) => (["memory", "latency", "training"].includes(r.prefix) ? [] : SAMPLES_OF_CELL.get(r.cell_id) ?? [])
  .filter((sample) => r.depth === null || (sample.depth !== null && Math.abs(sample.depth - r.depth) < 0.05));

// ---- scores ----

/** Scores that say right or wrong, or how nearly right. */
const isAnswer = (score) => /^(exact_match|accuracy|score|recall|f1)$/.test(score);
const scoreName = (s) => (s.scores.exact_match !== undefined ? "exact_match" : Object.keys(s.scores)[0]);
const scoreOf = (s) => s.scores[scoreName(s)] ?? null;

/** "right", "wrong", "partly" or, of what is no answer, "". */
function verdict(s) {
  const score = scoreOf(s);
  if (score === null || !isAnswer(scoreName(s))) return "";
  return score >= 1 ? "right" : score <= 0 ? "wrong" : "partly";
}

function mark(s) {
  const text = { right: "✓ right", wrong: "✗ wrong" }[verdict(s)];
  if (text) return make("span", { class: verdict(s) === "right" ? "better" : "worse" }, text);
  if (scoreOf(s) === null) return "–";
  return verdict(s) === "partly" ? show(scoreOf(s), "1") : `${scoreName(s)} ${show(scoreOf(s), "1")}`;
}

/** Control and replacement characters made visible, so that an output is never a blank. */
const visible = (text) => (text === "" ? "(nothing)"
  : text.replace(/\n/g, "⏎").replace(/[\u0000-\u001f\u007f]/g, "·"));

// ---- the dialog ----

/** Content that opens the samples behind the record, where the page has any; else the content alone. */
function samplesButton(r, content) {
  if (samplesOf(r).length === 0) return content;
  const button = make("button", { type: "button", class: "behind" }, content);
  button.title = `${fullText(r)}\nOpen its samples`;
  button.addEventListener("click", () => openSamples(r));
  return button;
}

const placeName = (r) => [r.task, r.backend, r.model, r.context_length === null ? "" : `${lengthName(r.context_length)} tokens`,
  r.depth === null ? "" : `depth ${depthName(r)}`, r.seed === null ? "" : `seed ${r.seed}`].filter(Boolean).join(" · ");

/** "12 of the 100 samples of this cell are on this page ..." */
function heldText(r) {
  const held = SAMPLES_OF_CELL.get(r.cell_id).length, total = DATA.samples.totals[r.cell_id] ?? held;
  const deep = r.depth === null ? "" : `, ${samplesOf(r).length} of them at this depth`;
  return (held < total ? `This page holds ${held} of the cell's ${total} samples${deep}; all are in samples.jsonl.`
    : `All ${total} samples of the cell${deep}.`);
}

/** What every backend that is shown said to this very question, this one first. */
function answersTable(sample, r) {
  const peers = (SAMPLES_OF_HASH.get(keyOf(sample.sample_sha, sample.index)) ?? []).map((s) => ({ ...s, cell: CELLS.get(s.cell_id) }))
    .filter((s) => s.cell && s.cell_id !== sample.cell_id && s.cell.model === r.model && s.cell.seed === r.seed &&
      s.cell.lr === r.lr && s.cell.context_length === r.context_length && s.cell.task === r.task)
    .sort((a, b) => BACKENDS.indexOf(a.cell.backend) - BACKENDS.indexOf(b.cell.backend));
  const rows = [{ ...sample, cell: r }, ...peers].map((s) => [
    make("th", { scope: "row" }, swatch(s.cell.backend), ` ${s.cell.backend}`), make("code", {}, visible(s.output)), mark(s),
    Object.entries(s.scores).map(([name, value]) => `${name.replace(/_/g, " ")} ${Number.isInteger(value) ? value : show(value, "1")}`).join(", ") || "–"]);
  return table(["backend", "output", "verdict", "scores"], rows, { sortable: false });
}

function sampleCard(sample, r) {
  const place = [`Sample ${sample.index}`, sample.depth === null ? "" : `depth ${depthName(sample)}`,
    sample.distance === null ? "" : `${Math.round(sample.distance).toLocaleString("en-US")} tokens back`,
    sample.segments_crossed === null ? "" : `${show(sample.segments_crossed, "")} segments passed`].filter(Boolean).join(" · ");
  return make("article", { class: "sample" }, make("h3", {}, place),
    sample.excerpt ? make("blockquote", {}, visible(sample.excerpt)) : null,
    make("p", {}, "Target ", make("code", {}, visible(sample.target))), answersTable(sample, r));
}

/** A button for each verdict that there is, pressed when its samples are shown. */
function verdictButtons(all, changed) {
  const kinds = ["right", "partly", "wrong"].filter((kind) => all.some((s) => verdict(s) === kind));
  if (kinds.length < 2) return [];
  const buttons = ["all", ...kinds].map((kind) => {
    const count = kind === "all" ? all.length : all.filter((s) => verdict(s) === kind).length;
    const button = make("button", { type: "button", "aria-pressed": String(kind === "all") }, `${kind} (${count})`);
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      changed(kind === "all" ? all : all.filter((s) => verdict(s) === kind));
    });
    return button;
  });
  return buttons;
}

const SAMPLES_AT_ONCE = 20;

/** Opens the samples behind a record; Esc, the button and a click beside the dialog close it. */
function openSamples(r) {
  const all = samplesOf(r), list = make("div", {});
  if (all.length === 0) return;
  const render = (chosen, most = SAMPLES_AT_ONCE) => {
    const more = make("button", { type: "button" }, `Show all ${chosen.length}`);
    more.addEventListener("click", () => render(chosen, Infinity));
    list.replaceChildren(...chosen.slice(0, most).map((sample) => sampleCard(sample, r)), ...(chosen.length > most ? [more] : []));
  };
  const close = make("button", { type: "button" }, "Close");
  const dialog = make("dialog", { "aria-labelledby": "samples-title" },
    make("div", { class: "bar" }, make("h2", { id: "samples-title" }, placeName(r)), close),
    r.metric ? make("p", {}, `${metricName(r.metric)}: ${fullText(r)}`) : null,
    make("p", { class: "quiet" }, heldText(r)),
    make("div", { class: "controls" }, verdictButtons(all, render)), list);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", ({ target }) => { if (target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => dialog.remove());
  render(all);
  document.body.append(dialog);
  dialog.showModal();
}

/** The record of the point under the mouse, if it has samples. */
function recordAt(event) {
  const chart = event.target instanceof HTMLCanvasElement ? Chart.getChart(event.target) : undefined;
  const [point] = chart?.getElementsAtEventForMode(event, "nearest", { intersect: true }, true) ?? [];
  const record = point && chart.data.datasets[point.datasetIndex].data[point.index]?.record;
  return record && samplesOf(record).length > 0 ? record : undefined;
}

/** Points of figures open what is behind them. */
function listenToFigures() {
  document.addEventListener("click", (event) => {
    const record = recordAt(event);
    if (record) openSamples(record);
  });
  document.addEventListener("mousemove", (event) => {
    if (event.target instanceof HTMLCanvasElement) event.target.style.cursor = recordAt(event) ? "pointer" : "";
  });
}
