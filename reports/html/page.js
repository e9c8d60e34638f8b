// Puts the page together: sections with numbers, contents, theme and print.

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

function build() {
  const title = DATA.title || "Longreach report";
  document.title = title;
  document.getElementById("title").textContent = title;
  document.getElementById("subtitle").textContent = BACKENDS.length === 0 ? ""
    : `Attention backends: ${BACKENDS.join(", ")}`;
  document.getElementById("banner").append(statusBanner());
  let number = 0;
  for (const [name, contents] of SECTIONS) {
    const content = contents();
    if (content === null) continue;
    const id = `section-${++number}`;
    document.getElementById("sections").append(
      make("section", { id, "aria-labelledby": `${id}-head` },
        make("h2", { id: `${id}-head` }, make("span", { class: "quiet" }, `${number} `), name), content));
    document.getElementById("contents").append(make("li", {}, make("a", { href: `#${id}` }, name)));
  }
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

/** Paper is light, and shows every figure with the numbers beneath. */
function preparePrint() {
  const before = document.documentElement.dataset.theme ?? "auto";
  const closed = [...document.querySelectorAll("details.numbers:not([open])")];
  for (const details of closed) details.open = true;
  setTheme("light");
  drawAllCharts();
  window.addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
    setTheme(before);
  }, { once: true });
}

setChartDefaults();
build();
document.getElementById("theme").addEventListener("click", nextTheme);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
window.addEventListener("beforeprint", preparePrint);
