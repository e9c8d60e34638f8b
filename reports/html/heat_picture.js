// Heatmaps drawn for export, cell for cell as the page's tables have them.

const HEAT = { width: 1100, cellWidth: 58, cellHeight: 34, rowName: 58, head: 56, gap: 22 };

/** Lines across a cell, as the page hatches what is not valid. */
function hatch(ctx, x, y, width, height) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  ctx.strokeStyle = cssColour("--quiet");
  ctx.globalAlpha = 0.45;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  for (let from = x - height; from < x + width; from += 8) { ctx.moveTo(from, y + height); ctx.lineTo(from + height, y); }
  ctx.stroke();
  ctx.restore();
}

/** A centred line of text. */
function centred(ctx, text, x, y, { size = 12, weight = "", colour = cssColour("--ink") } = {}) {
  Object.assign(ctx, { font: pictureFont(size, weight), textAlign: "center", textBaseline: "middle", fillStyle: colour });
  ctx.fillText(text, x, y);
}

/** A line of text from `x` on. */
function leftward(ctx, text, x, y, font = pictureFont(PICTURE.textFont)) {
  Object.assign(ctx, { font, textAlign: "left", textBaseline: "middle", fillStyle: cssColour("--ink") });
  ctx.fillText(text, x, y);
}

function drawHeatCell(ctx, { text, note, colour, hatched, bold }, x, y) {
  const [width, height] = [HEAT.cellWidth - 2, HEAT.cellHeight - 2], middle = x + width / 2;
  if (colour) { ctx.fillStyle = `rgb(${colour.join(", ")})`; ctx.fillRect(x, y, width, height); }
  if (hatched) hatch(ctx, x, y, width, height);
  const ink = colour ? inkOn(colour) : cssColour("--ink");
  centred(ctx, text, middle, y + (note ? 11 : height / 2), { weight: bold ? "bold" : "", colour: ink });
  if (note) centred(ctx, note, middle, y + 24, { size: 9.5, colour: ink });
}

function drawGrid(ctx, { label, corner, columns, rows }, x, y) {
  leftward(ctx, label, x, y + 10, pictureFont(12.5, "bold"));
  const quiet = { size: 11, colour: cssColour("--quiet") }, named = x + HEAT.rowName / 2 - 4;
  corner.forEach((line, i) => centred(ctx, line, named, y + 30 + 14 * i, quiet));
  columns.forEach((name, c) => centred(ctx, name, x + HEAT.rowName + HEAT.cellWidth * (c + 0.5) - 1, y + 44, quiet));
  rows.forEach(({ name, cells }, r) => {
    const top = y + HEAT.head + HEAT.cellHeight * r;
    centred(ctx, name, named, top + HEAT.cellHeight / 2 - 1, { size: 11, weight: "bold" });
    cells.forEach((cell, c) => drawHeatCell(ctx, cell, x + HEAT.rowName + HEAT.cellWidth * c, top));
  });
}

function drawScale(ctx, [low, high], x, y) {
  const steps = 60, width = 180;
  leftward(ctx, low, x, y);
  const left = x + ctx.measureText(low).width + 8;
  for (let i = 0; i < steps; ++i) {
    ctx.fillStyle = `rgb(${heatColour(i / (steps - 1)).join(", ")})`;
    ctx.fillRect(left + width * i / steps, y - 6, width / steps + 0.5, 12);
  }
  leftward(ctx, high, left + width + 8, y);
}

/** Where grids stand, in rows as wide as fit HEAT.width or the widest of them: [{grid, x, y}], and what they take. */
function placeGrids(grids) {
  const sizes = grids.map(({ columns, rows }) => [HEAT.rowName + HEAT.cellWidth * columns.length,
    HEAT.head + HEAT.cellHeight * rows.length]);
  const room = Math.max(HEAT.width, ...sizes.map(([wide]) => wide)), places = [];
  let x = 0, y = 0, tallest = 0, widest = 0;
  grids.forEach((grid, i) => {
    const [wide, high] = sizes[i];
    if (x > 0 && x + wide > room) { [x, y, tallest] = [0, y + tallest + HEAT.gap, 0]; }
    places.push({ grid, x, y });
    tallest = Math.max(tallest, high);
    widest = Math.max(widest, x + wide);
    x += wide + HEAT.gap;
  });
  return { places, width: widest, height: y + tallest };
}

/** The picture (export.js) of a figure of heatmaps. */
function gridPicture(title, grids, ends) {
  const { lines } = layOut(title, []), placed = placeGrids(grids);
  const top = PICTURE.margin + lines.length * PICTURE.title + 8;
  const width = Math.max(PICTURE.width, placed.width + 2 * PICTURE.margin);
  const height = top + placed.height + 30 + PICTURE.margin;
  return { width, height, paint(canvas, scale) {
    const ctx = canvas.getContext("2d");
    if (scale !== 1) {
      Object.assign(canvas, { width: scale * width, height: scale * height });
      ctx.scale(scale, scale);
    }
    ctx.fillStyle = cssColour("--panel");
    ctx.fillRect(0, 0, width, height);
    drawTitle(ctx, lines);
    for (const { grid, x, y } of placed.places) drawGrid(ctx, grid, PICTURE.margin + x, top + y);
    drawScale(ctx, ends, PICTURE.margin, height - PICTURE.margin - 8);
    return () => {};
  } };
}
