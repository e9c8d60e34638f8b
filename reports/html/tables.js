// Tables that sort: the numbers beneath figures, and what the summary and the sections build theirs with.

/** A cell that sorts by `value`, of which its content may show less. */
const valued = (value, content) => ({ value, content });

/**
 * A table from header texts and rows of cells (nodes, text or valued()); numeric columns align right. It sorts by
 * its headers unless its rows have a place of their own.
 */
function table(headers, rows, { numeric = [], caption = null, className = null, sortable = true } = {}) {
  const align = (i) => (numeric.includes(i) ? "number" : null);
  const made = rows.map((cells) => {
    const values = [];
    const row = make("tr", {}, cells.map((cell, i) => {
      if (cell?.content !== undefined) [values[i], cell] = [cell.value, cell.content];
      return cell instanceof HTMLTableCellElement ? cell : make("td", { class: align(i) }, cell);
    }));
    return { row, values };
  });
  const body = make("tbody", {}, made.map(({ row }) => row));
  const valueOf = ({ row, values }, i) => (i in values ? values[i] : valueIn(row.cells[i].textContent));
  const heads = sortable && rows.length > 1 ? sortHeads(headers, align, (column, direction) =>
    body.replaceChildren(...sorted(made, (one) => valueOf(one, column), direction).map(({ row }) => row)))
    : headers.map((text, i) => make("th", { scope: "col", class: align(i) }, text));
  return scrolling(heads, make("table", { class: className }, caption ? make("caption", {}, caption) : null,
    make("thead", {}, make("tr", {}, heads)), body));
}

/** A table in a box that scrolls when it is wide; the keyboard scrolls what has the focus. */
const scrolling = (heads, content, className = "scroll") => make("div", { class: className, tabindex: "0", role: "group",
  "aria-label": `Table: ${heads.map((head) => head.textContent).join(", ")}` }, content);

// ---- sorting ----

/** Headers as buttons: a click sorts ascending, a second descending, and the third brings the first order back. */
function sortHeads(headers, align, changed) {
  const heads = headers.map((text, i) => make("th", { scope: "col", class: align(i) },
    make("button", { type: "button", class: "sort", title: "Sort by this column" }, text)));
  const next = { ascending: "descending", descending: null };
  heads.forEach((head, i) => head.firstChild.addEventListener("click", () => {
    const now = head.getAttribute("aria-sort"), direction = now === null ? "ascending" : next[now];
    for (const other of heads) other.removeAttribute("aria-sort");
    if (direction) head.setAttribute("aria-sort", direction);
    changed(i, direction);
  }));
  return heads;
}

/** Items by value, null ones last in either direction, equal ones as they were; no direction, all as they were. */
function sorted(items, valueOf, direction) {
  if (!direction) return items;
  const sign = direction === "descending" ? -1 : 1, values = new Map(items.map((item) => [item, valueOf(item)]));
  const numbers = [...values.values()].every((value) => value === null || typeof value === "number" || !Number.isNaN(numberIn(value)));
  const keys = numbers ? new Map([...values].map(([item, v]) => [item, typeof v === "string" ? numberIn(v) : v])) : values;
  return [...items].sort((a, b) => {
    const [x, y] = [keys.get(a), keys.get(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (numbers ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
  });
}

/** What a cell's text sorts by: null where it says that there is nothing. */
const valueIn = (text) => (/^(|–.*|none)$/.test(text.trim()) ? null : text.trim());

const SCALES = { k: 2 ** 10, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** The number that a text is or starts with, as show() and its like write them: "[−0.10, 0.2]", "4k", "1.5 MiB"; else NaN. */
function numberIn(text) {
  const [, digits, scale] = /^[[×Δ+\s]*(−?\d[\d.]*(?:e[+−]?\d+)?)\s?([KMGT]iB|k)?(?![\w.])/.exec(text.replaceAll(",", "")) ?? [];
  return digits === undefined ? NaN : Number(digits.replaceAll("−", "-")) * (SCALES[scale] ?? 1);
}

// ---- numbers ----

/** The numbers of a figure: every one with its n, interval and method; of comparisons p and power too. */
function numbersTable(seriesList) {
  const points = seriesList.flatMap((series) => series.points.map((r) => ({ r, label: series.label })));
  const unit = points[0].r.unit, some = (key) => points.some(({ r }) => r[key] !== null && r[key] !== "");
  const columns = [  // heading, cell, numeric, wanted
    ["series", ({ label }) => label], ["length", ({ r }) => valued(r.context_length, lengthName(r.context_length)), true],
    ["depth", ({ r }) => depthName(r), true, some("depth")], ["part", ({ r }) => r.subtask || "–", false, some("subtask")],
    [["", "1", "bytes"].includes(unit) ? "value" : `value (${unit})`, ({ r }) => valued(r.value, samplesButton(r, show(r.value, r.unit))), true],
    ["n", ({ r }) => r.n ?? "–", true], ["interval", ({ r }) => valued(r.ci_low, interval(r))], ["interval by", ({ r }) => r.ci_method || "–"],
    ["chance", ({ r }) => show(r.chance, r.unit), true, some("chance")],
    ["adjusted p", ({ r }) => valued(r.p_adjusted, pValue(r.p_adjusted)), true, some("p_adjusted")],
    ["detectable", ({ r }) => valued(r.detectable, show(r.detectable, r.unit)), true, some("detectable")],
    ["status", ({ r }) => (r.status === "ok" ? "ok" : `${r.status}: ${r.reason}`)],
  ].filter(([, , , wanted = true]) => wanted);
  const protocol = protocolName(points.map(({ r }) => r));
  return lazyTable(points.length, () => [table(columns.map(([name]) => name),
    points.map((point) => columns.map(([, cell]) => cell(point))),
    { numeric: columns.flatMap(([, , numeric], i) => (numeric ? [i] : [])) }),
  protocol ? make("p", { class: "quiet small-text" }, "Protocol ", make("code", {}, protocol)) : null]);
}

/** Numbers behind a figure: there from the start when few, else made when opened. */
function lazyTable(rows, contents) {
  const title = `Numbers (${rows})`;
  if (rows > 60) return Object.assign(folded(title, contents), { className: "numbers" });
  return make("details", { class: "numbers" }, make("summary", {}, title), contents());
}

const pValue = (p) => (p === null || p === undefined ? "–"
  : p > 0 && p < 1e-3 ? p.toExponential(0).replaceAll("-", "−") : String(Number(p.toPrecision(2))));

const depthName = (r) => (r.depth === null ? "–" : `${Number(r.depth.toFixed(1))}%`);

/** Numbers of curves: where each begins and ends. */
function curvesTable(curves) {
  const rows = curves.map((c) => {
    const last = smoothed(c.points).at(-1);
    return [c.label, c.points.length, show(c.points[0].y, ""), show(c.points.at(-1).y, ""),
      show(last.y, "")];
  });
  return make("details", { class: "numbers" }, make("summary", {}, `Numbers (${rows.length})`),
    table(["series", "points", "first", "last", "last, running mean"], rows,
      { numeric: [1, 2, 3, 4] }),
    make("p", { class: "quiet" }, "A curve is one run, so its points have no interval; " +
      "seeds show the spread. All points: curves.jsonl."));
}

/** Colours repeat after some backends; those of the next round are discs. */
function swatch(backend) {
  const index = Math.max(0, BACKENDS.indexOf(backend));
  return make("span", { class: `swatch series-${index % COLOURS}${index < COLOURS ? "" : " ring"}`, "aria-hidden": "true" });
}
