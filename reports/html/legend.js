// What a figure's series look like: a button for each beneath it, and the same drawn into exports.

const SWATCH = { width: 30, height: 14 };

/** The first dataset of each label, which stands for all that are shown and hidden together; `key`: how, where not as it is. */
function legendItems(config) {
  const shown = config.data.datasets.filter((dataset) => dataset.legend !== false);
  return [...groupBy(shown, (dataset) => dataset.label).values()].map(([dataset]) => ({ ...dataset, ...dataset.key }));
}

/** A dataset's line with its dash, point with its shape, or bar, centred at a place. */
function drawSwatch(ctx, dataset, x, y) {
  const half = SWATCH.width / 2 - 1;
  ctx.save();
  ctx.strokeStyle = dataset.borderColor;
  ctx.fillStyle = dataset.backgroundColor;
  if (dataset.type === "bar") {
    ctx.fillRect(x - 6, y - 6, 12, 12);
  } else if (dataset.showLine !== false && dataset.borderWidth > 0) {
    ctx.lineWidth = Math.min(2, dataset.borderWidth);
    ctx.setLineDash(dataset.borderDash ?? []);
    ctx.beginPath();
    ctx.moveTo(x - half, y);
    ctx.lineTo(x + half, y);
    ctx.stroke();
    ctx.setLineDash([]);
  }
  if (dataset.type !== "bar" && dataset.pointRadius > 0) {
    ctx.lineWidth = 2;
    const { pointStyle, pointRotation: rotation } = dataset;
    Chart.helpers.drawPoint(ctx, { pointStyle, rotation, radius: 4.5, borderWidth: 2 }, x, y);
  }
  ctx.restore();
}

/** Draws every button's swatch in the theme's colours. */
function paintSwatches(entry, config) {
  for (const dataset of legendItems(config)) {
    const canvas = entry.swatches.get(dataset.label), ctx = canvas.getContext("2d");
    ctx.setTransform(2, 0, 0, 2, 0, 0);  // twice as fine as it is large, for screens and paper that are
    ctx.clearRect(0, 0, SWATCH.width, SWATCH.height);
    drawSwatch(ctx, dataset, SWATCH.width / 2, SWATCH.height / 2);
  }
}

/** Shows or hides all datasets of these labels, now and whenever the figure is drawn again. */
function setHidden(entry, labels, hidden) {
  for (const label of labels) {
    if (hidden) entry.hidden.add(label);
    else entry.hidden.delete(label);
    entry.buttons.get(label)?.setAttribute("aria-pressed", String(!hidden));
  }
  if (!entry.chart) return;
  entry.chart.data.datasets.forEach((dataset, i) => {
    if (labels.includes(dataset.label)) entry.chart.setDatasetVisibility(i, !hidden);
  });
  entry.chart.update();
}

/** A pressed button is a series that is shown. Swatches are painted with the chart. */
function legendButtons(entry, config) {
  for (const { label } of legendItems(config)) {
    const canvas = make("canvas", { width: 2 * SWATCH.width, height: 2 * SWATCH.height, "aria-hidden": "true" });
    const button = make("button", { type: "button", class: "series", "aria-pressed": String(!entry.hidden.has(label)),
      title: "Show or hide" },
      canvas, label);
    button.addEventListener("click", () => setHidden(entry, [label], !entry.hidden.has(label)));
    entry.swatches.set(label, canvas);
    entry.buttons.set(label, button);
  }
  return make("div", { class: "key-of-series", role: "group", "aria-label": `Series of ${entry.title}` },
    [...entry.buttons.values()]);
}
