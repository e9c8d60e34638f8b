// Puts the page together: sections with numbers, contents, filter and theme.

const SECTIONS = [
  ["What ran", whatRan], ["Summary", summary], ["Retrieval by context length", retrieval],
  ["Retrieval by kind of question", byPart], ["Retrieval by depth and length", depthHeatmaps],
  ["How far answers reach", reach],
  ["Perplexity by context length", perplexity],
  ["Divergence from the baseline", divergence], ["Use of context", utilization],
  ["Quality of text", textQuality],
  ["Differences from the baseline", differences],
  ["What state and time buy", tradeOffs], ["Latency", latency], ["Memory", memory], ["Training", training],
  ["Introspection", introspection],
  ["Samples", samples], ["All records", allRecords], ["Predicted and measured", predictions], ["Reproduce", reproduce],
];

/** "Retrieval by depth and length" -> "retrieval-by-depth-and-length". */
const slug = (name) => name.toLowerCase().replace(/[^\w]+/g, "-");

/** Sections and contents, of the records that are shown. */
function buildSections() {
  forgetFigures();
  const shown = SECTIONS.map(([name, contents]) => ({ name, id: slug(name), content: contents() }))
    .filter(({ content }) => content !== null);
  document.getElementById("sections").replaceChildren(...shown.map(({ name, id, content }, i) =>
    make("section", { id, "aria-labelledby": `${id}-head` },
      make("h2", { id: `${id}-head` }, make("span", { class: "quiet" }, `${i + 1} `), name), content)));
  document.getElementById("contents").replaceChildren(...shown.map(({ name, id }) =>
    make("li", {}, make("a", { href: addressOf(id) }, name))));
  if (RECORDS.length === 0 && ALL_RECORDS.length > 0) {
    document.getElementById("sections").prepend(make("p", {}, "No record is left by this filter."));
  }
}

/** Draws what the boxes say; what the reader looked at and had unfolded stays so where it is still there. */
function filterSections() {
  const sections = () => [...document.querySelectorAll("main > section")];
  const seen = sections().find((section) => section.getBoundingClientRect().bottom > 0);
  const place = seen && { id: seen.id, top: seen.getBoundingClientRect().top };
  const nameOf = (details) => `${details.closest("section").id} ${details.querySelector("summary").textContent.replace(/\d/g, "")}`;
  const open = new Set([...document.querySelectorAll("main details[open]")].map(nameOf));
  chooseRecords(passes);
  buildSections();
  for (const details of document.querySelectorAll("main details")) if (open.has(nameOf(details))) details.open = true;
  showFilter();
  const now = place && document.getElementById(place.id);
  if (now && place.top < 0) window.scrollBy({ top: now.getBoundingClientRect().top - place.top, behavior: "instant" });
}

/** The reader chose: the address follows. */
function filterChanged() {
  history.replaceState(null, "", addressOf());
  filterSections();
}

function goTo(section) {
  document.getElementById(section)?.scrollIntoView();
}

/** Shows what the address says: at first, by a link, and by going back. */
function followAddress() {
  const before = addressOf(), section = readAddress();
  if (addressOf() !== before) filterSections();
  goTo(section);
}

/** auto (the system's choice) -> light -> dark -> auto. */
function nextTheme() {
  const order = ["auto", "light", "dark"];
  const now = document.documentElement.dataset.theme ?? "auto";
  setTheme(order[(order.indexOf(now) + 1) % order.length]);
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  document.getElementById("theme").textContent = `Theme: ${theme}`;
  redrawCharts();
}

setChartDefaults();
buildHeader();
makeFilterBar(filterChanged);
const start = readAddress();
filterSections();
goTo(start);
window.addEventListener("hashchange", followAddress);
document.getElementById("contents").addEventListener("click", ({ target }) => {  // also when the address is the same
  if (target.hash) goTo(new URLSearchParams(target.hash.slice(1)).get("section"));
});
listenToFigures();
document.getElementById("theme").addEventListener("click", nextTheme);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
window.addEventListener("beforeprint", preparePrint);
