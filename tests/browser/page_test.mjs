// The page as a whole: sections, contents, theme, and nothing that a report must not do.
import { test } from "node:test";
import assert from "node:assert/strict";
import { pictures, withPage } from "./page.mjs";

/** The 14 of evaluation.md, by the headings that the page has for them. */
const EXPECTED = ["What ran", "Summary", "Retrieval by context length", "Retrieval by kind of question",
  "Retrieval by depth and length", "How far answers reach", "Perplexity by context length",
  "Divergence from the baseline", "Use of context", "Quality of text", "Differences from the baseline",
  "What state and time buy", "Latency", "Memory", "Training", "Introspection", "Samples", "All records",
  "Predicted and measured", "Reproduce"];

const headings = (page) => page.$$eval("main h2", (all) => all.map((h) => h.lastChild.textContent));

test("every section is there, in order, and in the contents", () => withPage("complete", async (page) => {
  assert.deepEqual(await headings(page), EXPECTED);
  assert.deepEqual(await page.$$eval("#contents a", (all) => all.map((a) => a.textContent)), EXPECTED);
  for (const section of await page.$$("main > section")) assert((await section.innerText()).length > 40);
}));

test("a link of the contents leads to its section", () => withPage("complete", async (page) => {
  await page.click("#contents a:text-is('Latency')");
  await page.waitForFunction(() => {
    const head = [...document.querySelectorAll("main h2")].find((h) => h.textContent.endsWith("Latency"));
    const { top } = head.getBoundingClientRect();
    return top >= 0 && top < innerHeight / 2;
  });
}));

test("figures are drawn when they come into view", () => withPage("complete", async (page) => {
  const frames = await page.$$("figure .canvas");
  assert(frames.length > 10);
  for (const frame of frames) {
    await frame.scrollIntoViewIfNeeded();
    await page.waitForFunction((f) => f.querySelector("canvas").width > 0 && !!f.entry.chart, frame);
  }
}));

test("the header says what was compared, whether it is valid, and how sure it is", () => withPage("complete", async (page) => {
  const header = (await page.innerText("header")).replace(/\s+/g, " ");
  assert.match(header, /full \(baseline\) window infini 2 models · 8 tasks · contexts of 512 to 4k tokens · 2 seeds/);
  assert.match(header, /2 of 91 cells have no valid result/);
  // Bits per byte of window and of infini at 4 lengths under 2 seeds; window's are worse (synthetic.cpp).
  assert.match(header, /How sure: 8 of 16 comparisons with the baseline are significant at \.05: 0 better, 8 worse\./);
  assert.match(header, /Main scores are of n = 4 to 100, with 95% intervals\./);
}));

test("a run without records is a whole page that says so", () => withPage("empty", async (page) => {
  assert.match(await page.innerText("#banner"), /No cell has been run yet/);
  assert.deepEqual(await headings(page), []);
}));

test("names that are markup stay text", () => withPage("hostile", async (page) => {
  assert.deepEqual(await headings(page), EXPECTED);
  await page.evaluate(() => drawAllCharts());
  assert.equal(await page.$$eval("img, .hostile, body script", (all) => all.filter((e) =>
    e.tagName !== "SCRIPT" || e.textContent.startsWith("alert")).length), 0);
  assert.match(await page.innerText("h1"), /<script>alert\(3\)<\/script>/);
}));

test("the theme goes from auto to light to dark and back", () => withPage("complete", async (page) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();  // what the system asks for
  await page.click("#theme");
  const light = await ground();
  assert.notEqual(light, dark);
  await page.click("#theme");
  assert.equal(await ground(), dark);
  await page.click("#theme");
  assert.equal(await page.innerText("#theme"), "Theme: auto");
}, { colorScheme: "dark" }));

for (const colorScheme of ["light", "dark"]) {
  test(`each section is kept as a picture, ${colorScheme}`, () => withPage("complete", async (page) => {
    const file = pictures(colorScheme);
    await page.evaluate(() => drawAllCharts());
    await page.screenshot({ path: file("top") });
    for (const [i, section] of (await page.$$("main > section")).entries()) {
      await section.screenshot({ path: file(`${String(i + 1).padStart(2, "0")} ${EXPECTED[i]}`) });
    }
  }, { colorScheme }));
}

for (const width of [1300, 800, 400]) {
  test(`nothing reaches beyond a window of ${width} pixels`, () => withPage("complete", async (page) => {
    await page.evaluate(() => drawAllCharts());
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
    if (width < 1300) await page.screenshot({ path: pictures("widths")(`${width}`), fullPage: true });
  }, { viewport: { width, height: 900 } }));
}
