// Paper is light and sharp, and has the numbers beneath each figure; what is folded beside those stays away.

/** Width of a chart in CSS pixels, and the paper's pixels for each of them. */
const PRINTED = { width: 700, pixels: 3 };

function preparePrint() {
  const before = document.documentElement.dataset.theme ?? "auto", pixels = Chart.defaults.devicePixelRatio;
  const closed = [...document.querySelectorAll("details:not([open], .more, .manifest)")];
  for (const details of closed) {
    details.fill?.();
    details.open = true;
  }
  Chart.defaults.devicePixelRatio = PRINTED.pixels;
  drawAllCharts();
  setTheme("light");
  for (const { chart, height } of CHARTS) chart.resize(PRINTED.width, height);
  window.addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
    Chart.defaults.devicePixelRatio = pixels;
    setTheme(before);
  }, { once: true });
}
