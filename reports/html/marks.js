// What is drawn on charts besides their lines and points: plugins of Chart.js, and what a pointer finds.

/** The nearest point that has something to tell; what is only there to be seen is `mute`. */
Chart.Interaction.modes.nearestTelling = (chart, event) => {
  let nearest = null, least = Infinity;
  for (const { data, index: datasetIndex } of chart.getSortedVisibleDatasetMetas()) {
    if (chart.data.datasets[datasetIndex].mute) continue;
    data.forEach((element, index) => {
      const within = element instanceof Chart.BarElement && element.inRange(event.x, event.y);
      const distance = within ? 0 : Math.hypot(element.x - event.x, element.y - event.y);
      if (distance < least) [nearest, least] = [{ element, datasetIndex, index }, distance];
    });
  }
  return nearest ? [nearest] : [];
};

/** A line between two ends with a cap at each; sideways along x, else along y. */
function strokeWhisker(ctx, { x, y }, [low, high], sideways) {
  const cap = 4;
  ctx.beginPath();
  if (sideways) {
    ctx.moveTo(low, y); ctx.lineTo(high, y);
    for (const end of [low, high]) { ctx.moveTo(end, y - cap); ctx.lineTo(end, y + cap); }
  } else {
    ctx.moveTo(x, low); ctx.lineTo(x, high);
    for (const end of [low, high]) { ctx.moveTo(x - cap, end); ctx.lineTo(x + cap, end); }
  }
  ctx.stroke();
}

/** Calls `paint(ctx, dataset, points)` for each visible dataset that has `property`, clipped to a hair around the area. */
function onDatasets(chart, property, paint) {
  const { ctx, chartArea: area } = chart;
  chart.data.datasets.forEach((dataset, d) => {
    if (!dataset[property] || !chart.isDatasetVisible(d)) return;
    ctx.save();
    ctx.beginPath();
    ctx.rect(area.left - 7, area.top - 7, area.width + 14, area.height + 14);
    ctx.clip();
    ctx.strokeStyle = dataset.borderColor;
    ctx.lineWidth = 1.5;
    paint(ctx, dataset, chart.getDatasetMeta(d).data);
    ctx.restore();
  });
}

/** Whiskers from dataset.whiskers[i] = [low, high], behind the points. */
const whiskers = {
  id: "whiskers",
  beforeDatasetsDraw(chart) {
    const crowded = chart.data.datasets.filter((dataset) => dataset.whiskers).length > 5;
    onDatasets(chart, "whiskers", (ctx, dataset, points) => {
      const along = dataset.sideways ? chart.scales.x : chart.scales.y;
      if (crowded && !dataset.sideways) ctx.globalAlpha = 0.5;
      points.forEach((point, i) => {
        const ends = dataset.whiskers[i];
        if (ends) strokeWhisker(ctx, point, ends.map((end) => along.getPixelForValue(end)), dataset.sideways);
      });
    });
  },
};

/** A ring around the point that dataset.ring = {index, ends} names, and its interval along x. */
const rings = {
  id: "rings",
  afterDatasetsDraw(chart) {
    onDatasets(chart, "ring", (ctx, { ring }, points) => {
      const point = points[ring.index], { left, right } = chart.chartArea;
      ctx.beginPath();
      ctx.arc(point.x, point.y, 7.5, 0, 2 * Math.PI);
      ctx.stroke();
      if (!ring.ends) return;
      const ends = ring.ends.map((end) => Math.min(right, Math.max(left, chart.scales.x.getPixelForValue(end))));
      if (ends[1] - ends[0] < 1) return;
      ctx.setLineDash([2, 2]);
      strokeWhisker(ctx, point, ends, true);
    });
  },
};

/** Pixels from one line's name to the next that do not touch. */
const NAME_HEIGHT = 13;

/** Names right of the lines' last points, dataset.endLabel, those that no other would touch. */
const endLabels = {
  id: "endLabels",
  afterDatasetsDraw(chart) {
    const { ctx, chartArea: area } = chart, named = new Map();
    onDatasets(chart, "endLabel", (_, dataset, points) => {
      if (!points.length) return;
      const lines = named.get(dataset.endLabel) ?? named.set(dataset.endLabel, { ys: [], colour: dataset.borderColor })
        .get(dataset.endLabel);
      lines.ys.push(points.at(-1).y);
    });
    const names = [...named].map(([text, { ys, colour }]) => ({ text, colour, y: ys.reduce((a, b) => a + b, 0) / ys.length }));
    ctx.save();
    Object.assign(ctx, { font: pictureFont(11), textAlign: "left", textBaseline: "middle" });
    for (const name of names) {
      if (names.some((other) => other !== name && Math.abs(other.y - name.y) < NAME_HEIGHT)) continue;
      ctx.fillStyle = name.colour;
      ctx.fillRect(area.right + 5, name.y - 1, 7, 2);
      ctx.fillStyle = cssColour("--ink");
      ctx.fillText(name.text.length > 18 ? `${name.text.slice(0, 17)}…` : name.text, area.right + 16, name.y);
    }
    ctx.restore();
  },
};

/** White behind exported pictures. */
const background = {
  id: "background",
  beforeDraw(chart) {
    chart.ctx.save();
    chart.ctx.fillStyle = cssColour("--panel");
    chart.ctx.fillRect(0, 0, chart.width, chart.height);
    chart.ctx.restore();
  },
};
