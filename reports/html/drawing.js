// Figures on the page: each is drawn when it first comes into view, and again when the theme or a button changes it.

/** Figures of charts, and with those of heatmaps every figure there is: {title, picture(), ...}. */
const CHARTS = [], FIGURES = [];
/**
 * What a reader has chosen in the n-th figure of a title: {hidden labels, log axes}. It outlives the figure, which a
 * filter makes anew.
 */
const CHOICES = new Map();
function choicesOf(title) {
  const key = keyOf(title, FIGURES.filter((entry) => entry.title === title).length);
  return CHOICES.get(key) ?? CHOICES.set(key, { hidden: new Set(), log: {} }).get(key);
}

const WATCH = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) if (isIntersecting) draw(target.entry);
}, { rootMargin: "300px" });

/**
 * A figure whose chart is made by `configure()`, called again whenever it is drawn or exported. Scales that
 * are eitherWay() get a button that changes them.
 */
function figure(title, caption, configure, numbers, height = 290) {
  const canvas = make("canvas", { role: "img", "aria-label": `${title}. ${caption}` });
  const frame = make("div", { class: "canvas" }, canvas);
  frame.style.height = `${height}px`;
  const entry = { title, caption, height, canvas, configure, chart: null, ...choicesOf(title),
    swatches: new Map(), buttons: new Map(), picture: () => chartPicture(entry) };
  const config = configure();
  CHARTS.push(entry);
  frame.entry = entry;
  WATCH.observe(frame);
  return make("figure", {}, figureHead(entry, scaleButtons(entry, config)), frame, legendButtons(entry, config),
    make("figcaption", {}, caption), numbers);
}

/** A figure's title with its buttons, those that save it last. */
function figureHead(entry, buttons) {
  FIGURES.push(entry);
  return make("div", { class: "figure-head" }, make("h3", {}, entry.title),
    make("div", { class: "tools" }, buttons, exportButtons(entry)));
}

const AXIS_BUTTONS = [["y", "log y", "Logarithmic value axis"], ["x", "log x", "Logarithmic horizontal axis"]];

/** A button for each axis that could be logarithmic or linear, pressed when it is logarithmic. */
function scaleButtons(entry, config) {
  return AXIS_BUTTONS.filter(([axis]) => config.options.scales[axis]?.log).map(([axis, text, title]) => {
    entry.log[axis] ??= config.options.scales[axis].startsLog;
    const button = make("button", { type: "button", class: "small", title, "aria-pressed": String(entry.log[axis]),
      "aria-label": `${text}: ${title.toLowerCase()} of ${entry.title}` }, text);
    button.addEventListener("click", () => {
      entry.log[axis] = !entry.log[axis];
      button.setAttribute("aria-pressed", String(entry.log[axis]));
      redraw(entry);
    });
    return button;
  });
}

/** The chart's configuration as its buttons have it now. */
function chartConfig(entry) {
  const config = entry.configure(), { scales } = config.options;
  for (const axis of Object.keys(scales)) {
    if (scales[axis].log) scales[axis] = entry.log[axis] ? scales[axis].log : scales[axis].linear;
  }
  for (const dataset of config.data.datasets) dataset.hidden = entry.hidden.has(dataset.label);
  return config;
}

function draw(entry) {
  if (entry.chart || !entry.canvas.isConnected) return;
  const config = chartConfig(entry);
  entry.chart = new Chart(entry.canvas, config);
  paintSwatches(entry, config);
}

function redraw(entry) {
  if (!entry.chart) return;
  entry.chart.destroy();
  entry.chart = null;
  draw(entry);
}

/** What figures take over from the theme. */
function setChartDefaults() {
  Object.assign(Chart.defaults, { color: cssColour("--ink"), borderColor: cssColour("--grid"),
    animation: false, responsive: true, maintainAspectRatio: false });
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.plugins.legend.display = false;  // buttons beneath, or drawn by an export
}

/** Those that have been drawn, in the theme's colours. */
function redrawCharts() {
  setChartDefaults();
  CHARTS.forEach(redraw);
}

const drawAllCharts = () => CHARTS.forEach(draw);

/** Before other sections take the place of these. */
function forgetFigures() {
  WATCH.disconnect();
  for (const { chart } of CHARTS) chart?.destroy();
  CHARTS.length = FIGURES.length = 0;
}

/** What few will look for: made when opened, or by fill(). */
function folded(title, contents) {
  const details = make("details", { class: "more" }, make("summary", {}, title));
  details.fill = () => {
    if (details.children.length === 1) details.append(...[contents()].flat(Infinity).filter(Boolean));
  };
  details.addEventListener("toggle", () => { if (details.open) details.fill(); });
  return details;
}
