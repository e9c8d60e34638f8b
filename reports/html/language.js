// The sections on language modelling, use of context and generated text.

function perplexity() {
  const records = withPrefix("perplexity");
  const bits = records.filter((r) => r.metric === "perplexity/bits_per_byte");
  const rest = records.filter((r) => r.metric !== "perplexity/bits_per_byte" && r.metric !== "perplexity/byte");
  if (records.length === 0) return null;
  const caption = (metric, panel) => "Held-out text by context length; each line is one trained model. A line " +
    "that keeps falling uses the added context; a flat one ignores it." + direction(panel.records);
  return figures(lengthFigures([...bits, ...(rest.length || bits.length ? rest : records)], caption),
    positionFigures("perplexity"));
}

const isByPosition = (c) => c.name.endsWith("by_position");

const POSITION_CAPTIONS = {
  "perplexity/by_position": "A line that still falls on the right uses context that far back.",
  "divergence/by_position": "Where a line sets in or rises, the mechanism begins to predict otherwise than the baseline.",
  "divergence/same_top_by_position": "Where a line leaves 1, the mechanism begins to predict otherwise than the baseline.",
};

/** Curves over positions in the window, those of each task's longest context. */
function positionFigures(prefix, options = {}) {
  const all = curvesOf((c) => isByPosition(c) && c.name.startsWith(`${prefix}/`));
  return [...groupBy(all, (c) => [c.name, c.cell.model, c.cell.task].join("\u0000")).values()].map((group) => {
    const longest = Math.max(...group.map((c) => c.cell.context_length));
    const curves = labelled(group.filter((c) => c.cell.context_length === longest));
    const { name, x_unit, y_unit, cell } = curves[0];
    const share = y_unit === "1", log = !share && options.log;
    return figure([metricName(name), cell.model].filter(Boolean).join(" — "),
      [POSITION_CAPTIONS[name], `Targets are put together by how many tokens they see, in windows of ${lengthName(longest)} ` +
      `(${cell.task}).`, log && "Where it is 0, nothing is drawn."].filter(Boolean).join(" "),
      () => curveChart(curves.map((c) => ({ ...c, points: c.points.filter((p) => !log || p.y > 0) })),
      withUnit("Tokens seen before the target", x_unit === "tokens" ? "" : x_unit),
      withUnit(metricName(name), y_unit), { yUnit: y_unit, share, logX: true, logY: log }), curvesTable(curves));
  });
}

const DIVERGENCE_CAPTIONS = {
  "divergence/kl": "Mean Kullback–Leibler divergence of a backend's next-token distribution from the baseline's on " +
    "the same weights and tokens: what the mechanism changes, trained for or not.",
  "divergence/kl_p50": "Half of the tokens diverge less than this.",
  "divergence/kl_p90": "Nine tokens in ten diverge less than this: how far the mean is made by a few.",
  "divergence/kl_p99": "Ninety-nine tokens in a hundred diverge less than this.",
  "divergence/same_top": "Share of tokens after which both find the same next token most likely.",
};

/** The baseline itself has KL 0, which a log axis cannot show. */
function divergence() {
  const records = withPrefix("divergence");
  if (records.length === 0) return null;
  const caption = captioned(DIVERGENCE_CAPTIONS);
  const kl = records.filter((r) => r.metric !== "divergence/same_top" && r.value > 0);
  return figures(lengthFigures(kl, caption, { log: true }),
    lengthFigures(records.filter((r) => r.metric === "divergence/same_top"), caption),
    positionFigures("divergence", { log: true }));
}

const UTILIZATION_CAPTIONS = {
  "utilization/gain": "Loss saved on the same fixed targets when more text is shown before them, against the " +
    "shortest context. Above 0: the added context helps.",
  "utilization/efficiency": "Share of planted facts that causally reach the answer: swapping the fact for a " +
    "counterfactual moves the answer's likelihood the right way by more than the stated margin.",
  "utilization/loss": "Loss on the same targets after contexts of each length: what the gain is computed from.",
  "utilization/fact_effect": "How far, in nats, swapping a planted fact moves the answer it should move.",
  "ablation/drop": "Of what the whole context saves in loss, the share that is lost when far context is left out: 0, it " +
    "was not used.",
  "ablation/shuffle": "The same with far context in another order: near the share lost without it, its order is what counts.",
  "ablation/foreign": "The same with far context from another document: above 1, it misleads.",
  "ablation/help": "Loss that the whole context saves against none: what the shares above are shares of.",
  "ablation/drop_loss": "Loss added when far context is left out: above 0, it was used.",
  "ablation/shuffle_loss": "Loss added when far context is shuffled: above 0, its order was used.",
  "ablation/foreign_loss": "Loss added when far context comes from another document.",
  "ablation/shuffle_of_drop": "1: shuffled far context is as bad as none; 0: as good as the real order.",
  "ablation/foreign_of_drop": "1: foreign far context is as bad as none; above 1, it misleads.",
  "mutual_information/per_answer": "The same, summed over the answer's tokens.",
  "mutual_information/per_token": "How much likelier the real continuation is after its own far context than without it.",
  "blur/match_over_random": "Weight of a far key that equals the query over that of a random one, for random keys " +
    "and no model: 1 tells nothing apart.",
};

/** What the records by length say, by metric; the caption where there is one. */
const captioned = (captions) => (metric, panel) => (captions[metric] ?? "By context length.") + direction(panel.records);

/** Main scores at once, the rest of each task to open. */
function contextFigures(prefixes, captions) {
  const records = prefixes.flatMap(withPrefix);
  return records.length === 0 ? null : mainFirst(records, (chosen) => lengthFigures(chosen, captioned(captions)));
}

const utilization = () =>
  contextFigures(["utilization", "ablation", "mutual_information", "blur"], UTILIZATION_CAPTIONS);

const TEXT_CAPTIONS = {
  "coherence/real_order": "Share of passages whose real order is likelier than shuffled ones; a half is guessing.",
  "coherence/margin": "How far the real order's likelihood leads that of shuffled ones; 0 is no preference.",
  "relevance/own_continuation_margin": "How far the own context leads others in likelihood; 0 is no preference.",
  "relevance/true_continuation_margin": "How far the own context leads others in likelihood; 0 is no preference.",
  "relevance/own_continuation": "Share of the model's own continuations that are likelier after their own context than " +
    "after others.",
  "relevance/true_continuation": "Share of the text's true continuations that are likelier after their own context than " +
    "after others.",
  "generation/rep_4": "Share of the generated runs of four tokens that stood earlier in the same text: near 1, " +
    "it loops.",
  "generation/distinct_2": "Share of the generated runs of two tokens that are different ones.",
};

function textQuality() {
  const content = contextFigures(["coherence", "relevance", "generation"], TEXT_CAPTIONS);
  return content && [withPrefix("generation").length
    ? paragraph("Generated texts are among the samples below.", "quiet") : null, content];
}
