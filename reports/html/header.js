// The header: what was compared, whether it is valid, and how sure it is. Of the whole run, whatever is filtered.

const plural = (n, one, many = `${one}s`) => `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;

/** "512 to 4k", of numbers that a function writes. */
function span(values, write = String) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? write(low) : `${write(low)} to ${write(high)}`;
}

/** The backends in their colours, and what they were compared on. */
function compared() {
  const count = (key, name) => {
    const found = distinct(ALL_RECORDS.map((r) => r[key])).filter((value) => value !== null && value !== "");
    return found.length ? plural(found.length, name) : "";
  };
  const lengths = distinct(ALL_RECORDS.map((r) => r.context_length)).filter((length) => length !== null);
  const extent = [count("model", "model"), count("task", "task"),
    lengths.length ? `contexts of ${span(lengths, lengthName)} tokens` : "", count("seed", "seed")].filter(Boolean).join(" · ");
  return [BACKENDS.map((name) => make("span", { class: "contender" }, swatch(name), ` ${name}`,
    BASELINES.has(name) ? make("span", { class: "quiet" }, " (baseline)") : null)).flatMap((name) => [name, " "]),
  extent ? make("span", { class: "quiet" }, extent) : null];
}

/** Comparisons with the baseline that a reader comes for: of main scores and of times, whole. */
const headComparisons = () => ALL_RECORDS.filter((r) => isMeasured(r) && r.depth === null && !isPart(r) && !isControl(r) &&
  (isTimeRatio(r) || (isDifference(r) && MAIN.get(r.task) === r.metric.replace(/_difference$/, ""))));

/** "12 of 40 comparisons with the baseline are significant: 3 better, 9 worse." */
function comparisonText() {
  const all = headComparisons(), significant = all.filter(isSignificant);
  if (all.length === 0) return "";
  const better = significant.filter((r) => r.higher_is_better !== null &&
    (r.value > (isTimeRatio(r) ? 1 : 0)) === r.higher_is_better).length;
  const known = significant.filter((r) => r.higher_is_better !== null).length;
  return `${significant.length} of ${plural(all.length, "comparison")} with the baseline ${significant.length === 1 ? "is" : "are"} ` +
    `significant at .05${known ? `: ${better} better, ${known - better} worse` : ""}.`;
}

/** On how much the main scores stand, and what their intervals leave out. */
function certaintyText() {
  const main = ALL_RECORDS.filter((r) => isMeasured(r) && isMain(r) && r.depth === null && !isPart(r) && r.n !== null &&
    !["latency", "memory", "training", "introspection"].includes(r.prefix));
  if (main.length === 0) return "";
  const levels = distinct(main.filter(hasInterval).map((r) => /\b0?\.\d+/.exec(r.ci_method)?.[0]).filter(Boolean));
  const trained = DATA.curves.shown.some((curve) => curve.name === "training/loss");
  const seeds = distinct(ALL_RECORDS.map((r) => r.seed)).filter((seed) => seed !== null);
  return [`Main scores are of n = ${span(main.map((r) => r.n), (n) => n.toLocaleString("en-US"))}` +
    `${levels.length === 1 ? `, with ${Number((100 * levels[0]).toPrecision(3))}% intervals` : ""}.`,
  trained && seeds.length === 1 ? "One seed: how much trainings differ is in no interval." : ""].filter(Boolean).join(" ");
}

function buildHeader() {
  const title = DATA.title || "Longreach report", sure = [comparisonText(), certaintyText()].filter(Boolean).join(" ");
  document.title = title;
  document.getElementById("title").textContent = title;
  document.getElementById("compared").append(...[compared()].flat(Infinity).filter(Boolean));
  document.getElementById("banner").append(statusBanner());
  document.getElementById("certainty").append(sure ? make("strong", {}, "How sure: ") : "", sure);
}
