// Files of figures: SVG and PNG with the title and the key, in the light theme, of charts and heatmaps alike. A
// picture is {width, height, paint}; paint(canvas, scale) draws it and returns what to call once it is saved.

const PICTURE = { width: 760, margin: 16, title: 22, row: 20, gap: 14, titleFont: 15, textFont: 12 };
const FORMATS = [["SVG", (entry) => new Blob([figureSvg(entry)], { type: "image/svg+xml" })], ["PNG", figurePng]];

const pictureFont = (size, weight = "") => `${weight} ${size}px ${Chart.defaults.font.family}`.trim();

/** Calls `work()` with the page light; it is back before anything is painted. */
function inLight(work) {
  const { dataset } = document.documentElement, before = dataset.theme;
  dataset.theme = "light";
  setChartDefaults();
  try {
    return work();
  } finally {
    if (before === undefined) delete dataset.theme;
    else dataset.theme = before;
    setChartDefaults();
  }
}

/** Lines of whole words, each as wide as fits. */
function wrapped(ctx, text, width) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && ctx.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** Places of a key's items: rows of {item, x}, each row as wide as fits. */
function legendRows(ctx, items, width) {
  const rows = [[]];
  let x = 0;
  for (const item of items) {
    const wide = SWATCH.width + 5 + ctx.measureText(item.label).width;
    if (x > 0 && x + wide > width) { rows.push([]); x = 0; }
    rows.at(-1).push({ item, x });
    x += wide + PICTURE.gap;
  }
  return rows;
}

function drawTitle(ctx, lines) {
  Object.assign(ctx, { font: pictureFont(PICTURE.titleFont, "bold"), fillStyle: cssColour("--ink"), textAlign: "left",
    textBaseline: "middle" });
  lines.forEach((line, i) => ctx.fillText(line, PICTURE.margin, PICTURE.margin + PICTURE.title * (i + 0.5)));
}

function drawLegend(ctx, rows, top) {
  Object.assign(ctx, { font: pictureFont(PICTURE.textFont), textAlign: "left", textBaseline: "middle" });
  rows.forEach((row, i) => row.forEach(({ item, x }) => {
    const middle = top + PICTURE.row * (i + 0.5), left = PICTURE.margin + x;
    drawSwatch(ctx, item, left + SWATCH.width / 2, middle);
    ctx.fillStyle = cssColour("--ink");
    ctx.fillText(item.label, left + SWATCH.width + 5, middle);
  }));
}

/** Title lines and key as they will be laid out. */
function layOut(title, items) {
  const ctx = make("canvas").getContext("2d"), width = PICTURE.width - 2 * PICTURE.margin;
  ctx.font = pictureFont(PICTURE.titleFont, "bold");
  const lines = wrapped(ctx, title, width);
  ctx.font = pictureFont(PICTURE.textFont);
  return { lines, rows: legendRows(ctx, items, width) };
}

/** The chart as it stands, without its hidden series. */
function chartPicture(entry) {
  const config = chartConfig(entry);
  const { lines, rows } = layOut(entry.title, legendItems(config).filter(({ hidden }) => !hidden));
  const above = PICTURE.margin + lines.length * PICTURE.title + 8, below = rows.length * PICTURE.row + 8;
  const width = PICTURE.width, height = entry.height + above + below + PICTURE.margin;
  const given = config.options.layout?.padding ?? {};
  Object.assign(config.options, { responsive: false, layout: { padding: { ...given, top: above + (given.top ?? 0),
    left: PICTURE.margin, right: PICTURE.margin + (given.right ?? 0), bottom: below + PICTURE.margin } } });
  // Otherwise lines are stroked as a Path2D, which svgcanvas does not know.
  for (const dataset of config.data.datasets) dataset.segment = {};
  const around = { id: "around", afterDraw({ ctx }) {
    drawTitle(ctx, lines);
    drawLegend(ctx, rows, height - PICTURE.margin - below + 8);
  } };
  return { width, height, paint(canvas, scale) {
    config.options.devicePixelRatio = scale;
    const chart = new Chart(canvas, { ...config, platform: Chart.BasicPlatform, plugins: [...config.plugins, around] });
    return () => chart.destroy();
  } };
}

/** Characters that no XML may hold. */
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/gu;

/** The same picture, the same text: svgcanvas names clip paths at random. */
function withPlainIds(svg, text) {
  const names = new Map([...svg.querySelectorAll("clipPath")].map(({ id }, i) => [id, `clip-${i}`]));
  return names.size === 0 ? text : text.replace(new RegExp([...names.keys()].join("|"), "g"), (id) => names.get(id));
}

/** The text of a whole SVG file. */
function figureSvg(entry) {
  return inLight(() => {
    const { width, height, paint } = entry.picture();
    const context = new svgcanvas.Context(width, height);
    context.__fontUnderline = "none";  // else written as "undefined"
    const release = paint({ width, height, getContext: () => context }, 1);
    const svg = context.getSvg(), document = svg.ownerDocument;
    const named = (tag, text) => Object.assign(document.createElementNS(svg.namespaceURI, tag), { textContent: text });
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("role", "img");
    svg.prepend(named("title", entry.title), named("desc", entry.caption));
    const text = withPlainIds(svg, new XMLSerializer().serializeToString(svg));
    release();
    return `<?xml version="1.0" encoding="UTF-8"?>\n${text.replace(NOT_XML, "\ufffd")}\n`;
  });
}

/** Twice as fine as the SVG is large. */
function figurePng(entry) {
  const canvas = make("canvas");
  const release = inLight(() => {
    const { width, height, paint } = entry.picture();
    Object.assign(canvas, { width, height });
    return paint(canvas, 2);
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png")).finally(release);
}

/** "Recall accuracy — mqar" -> "recall-accuracy-mqar". */
const fileName = (title) => title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 80) || "figure";

/** A figure's file: {name, blob}; the format is "SVG" or "PNG". */
async function exportedFile(entry, format) {
  const [, blobOf] = FORMATS.find(([name]) => name === format);
  return { name: `${fileName(entry.title)}.${format.toLowerCase()}`, blob: await blobOf(entry) };
}

function exportButtons(entry) {
  return FORMATS.map(([format]) => {
    const button = make("button", { type: "button", class: "small", title: `Save this figure as ${format}`,
      "aria-label": `${format} of ${entry.title}` }, format);
    button.addEventListener("click", async () => {
      const { name, blob } = await exportedFile(entry, format), url = URL.createObjectURL(blob);
      make("a", { download: name, href: url }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    });
    return button;
  });
}
