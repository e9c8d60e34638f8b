// Differences from the baseline, as forests.

/** Configuration of a forest plot: one row a difference, whiskers along x, a line at 0. */
function forestChart(differences, xTitle, rowsTitle) {
  const labels = differences.map((r) => r.rowLabel);
  const datasets = [...groupBy(differences, (r) => r.backend)].map(([backend, group]) => {
    const style = look(backend, 0);
    return {
      label: backend, sideways: true, showLine: false, borderColor: style.colour,
      ...style.shape, pointRadius: 5, borderWidth: 2, backgroundColor: style.colour,
      pointBackgroundColor: group.map((r) => (isSignificant(r) ? style.colour : cssColour("--panel"))),
      data: group.map((r) => ({ x: r.value, y: r.rowLabel, record: r })),
      whiskers: group.map((r) => (hasInterval(r) ? [r.ci_low, r.ci_high] : null)),
    };
  });
  const ends = differences.flatMap((r) => [0, r.value, r.ci_low, r.ci_high]).filter((v) => v !== null);
  const margin = 0.08 * (Math.max(...ends) - Math.min(...ends) || 1);
  return {
    type: "line", data: { datasets }, plugins: [whiskers, background],
    options: { ...chartOptions({
        x: { type: "linear", title: axisTitle(xTitle),
          min: Math.min(...ends) - margin, max: Math.max(...ends) + margin,
          ticks: { maxRotation: 0, includeBounds: false,
            callback: (v) => String(Number(v.toPrecision(2))).replaceAll("-", "−") },
          grid: { lineWidth: (c) => (c.tick && c.tick.value === 0 ? 2 : 1),
            color: (c) => cssColour(c.tick && c.tick.value === 0 ? "--ink" : "--grid") } },
        y: { type: "category", labels, offset: true, title: axisTitle(rowsTitle) },
      }, tooltip(({ raw }) => raw.y, ({ raw }) => [...recordLines(raw.record),
        ...(raw.record.p_adjusted === null ? [] : [`adjusted p ${pValue(raw.record.p_adjusted)}`])])), parsing: true },
  };
}

/** A forest of one score's rows, each {...record, rowLabel}. */
function forestFigure(title, caption, rows, xTitle, numbers, rowsTitle = "Backend") {
  return figure(title, caption, () => forestChart(rows, xTitle, rowsTitle), numbers, 90 + 24 * Math.max(3, rows.length));
}

/** Forests of comparisons at the longest length, and those at the others to open. */
function differenceFigures(records) {
  return [...groupBy(records, (r) => r.metric)].flatMap(([metric, group]) => panels(group).map((panel) => {
    const base = metric.replace(/_difference$/, ""), named = panel.name ? ` — ${panel.name}` : "";
    const title = `${metricName(base)} against the baseline${named}`;
    const longest = Math.max(...panel.records.map((r) => r.context_length));
    const rowsAt = (wanted) => panel.series.flatMap((series) => series.points.filter(wanted).map((r) => ({ ...r,
      rowLabel: `${series.label}, ${lengthName(r.context_length)}` })));
    const shown = rowsAt((r) => r.context_length === longest), others = rowsAt((r) => r.context_length !== longest);
    const xTitle = withUnit("Difference from the baseline", shown[0].unit);
    const caption = `Paired difference from the baseline on the same data at ${lengthName(longest)} tokens, with its ` +
      `interval: where that crosses 0, none is shown. Filled: significant after adjustment.` +
      direction(shown).replace("er is better", "er than 0 is better");
    const made = forestFigure(title, caption, shown, xTitle, numbersTable(panel.series));
    if (others.length) {
      made.append(folded(`At other lengths (${others.length})`, () =>
        forestFigure(`${title}, shorter contexts`, "The same at the other lengths.", others, xTitle, null)));
    }
    return made;
  }));
}

/** Everything ending in _difference; heatmaps have those of single depths. */
function differences() {
  const all = MEASURED.filter((r) => isDifference(r) && r.depth === null && !isPart(r));
  if (all.length === 0) return null;
  const main = all.filter((r) => MAIN.get(r.task) === r.metric.replace(/_difference$/, ""));
  const rest = all.filter((r) => !main.includes(r));
  return [main.length ? figures(differenceFigures(main)) : null, [...groupBy(rest, (r) => r.task)].map(([task, group]) =>
    folded(`Other scores of ${task}`, () => figures(differenceFigures(group))))];
}
