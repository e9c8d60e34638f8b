// Figures on the page: each is drawn when it first comes into view, and again when the theme changes.

const CHARTS = [];
const WATCH = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) if (isIntersecting) draw(target.entry);
}, { rootMargin: "300px" });

/** A figure whose chart is made by `configure()`, called again when the theme changes. */
function figure(title, caption, configure, numbers, height = 300) {
  const canvas = make("canvas", { role: "img", "aria-label": `${title}. ${caption}` });
  const save = make("button", { type: "button", class: "small", title: "Save this figure as PNG" },
    "PNG");
  const frame = make("div", { class: "canvas" }, canvas);
  frame.style.height = `${height}px`;
  const entry = { canvas, configure, chart: null };
  save.addEventListener("click", () => {
    const link = make("a", { download: `${title.replace(/[^\w]+/g, "-").toLowerCase()}.png` });
    draw(entry);
    link.href = entry.chart.toBase64Image();
    link.click();
  });
  CHARTS.push(entry);
  frame.entry = entry;
  WATCH.observe(frame);
  return make("figure", {},
    make("div", { class: "figure-head" }, make("h3", {}, title), save), frame,
    make("figcaption", {}, caption), numbers);
}

function draw(entry) {
  if (entry.chart || !entry.canvas.isConnected) return;
  entry.chart = new Chart(entry.canvas, entry.configure());
}

/** What figures take over from the theme. */
function setChartDefaults() {
  Object.assign(Chart.defaults, { color: cssColour("--ink"), borderColor: cssColour("--grid"),
    animation: false, responsive: true, maintainAspectRatio: false });
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
}

/** Those that have been drawn, in the theme's colours. */
function redrawCharts() {
  setChartDefaults();
  for (const entry of CHARTS.filter(({ chart }) => chart)) {
    const hidden = entry.chart.data.datasets.map((_, i) => !entry.chart.isDatasetVisible(i));
    entry.chart.destroy();
    entry.chart = null;
    draw(entry);
    hidden.forEach((hide, i) => { if (hide) entry.chart.hide(i); });
  }
}

const drawAllCharts = () => CHARTS.forEach(draw);

/** Before other sections take the place of these. */
function forgetFigures() {
  WATCH.disconnect();
  for (const { chart } of CHARTS) chart?.destroy();
  CHARTS.length = 0;
}

/** What few will look for: made when opened. */
function folded(title, contents) {
  const details = make("details", { class: "more" }, make("summary", {}, title));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(...[contents()].flat(Infinity).filter(Boolean));
  });
  return details;
}
