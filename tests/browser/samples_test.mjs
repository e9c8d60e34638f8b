// The way down: from a number to the samples behind it, and back.
import { test } from "node:test";
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { withPage } from "./page.mjs";

const heat = "#retrieval-by-depth-and-length td.heat button";

test("a heat cell opens the samples of its task, backend, length and depth, and Esc leads back", () =>
  withPage("complete", async (page) => {
    const cell = await page.$(heat), at = await cell.evaluate((button) => {
      const td = button.closest("td"), table = td.closest("table");
      return { length: table.tHead.rows[0].cells[td.cellIndex].textContent, depth: td.parentElement.cells[0].textContent,
        backend: table.closest(".heatmap").querySelector("h4").textContent.trim() };
    });
    await cell.focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.innerText("dialog h2"),
      `passkey · ${at.backend} · retriever · ${at.length} tokens · depth ${at.depth} · seed 0`);
    assert.match(await page.innerText("dialog"), /All 5 samples of the cell, 1 of them at this depth/);
    assert.match(await page.innerText("dialog article"), new RegExp(`depth ${at.depth}`));
    assert.match(await page.innerText("dialog blockquote"), /The pass key is 48213/);
    await page.keyboard.press("Escape");
    assert.equal(await page.$("dialog"), null);
    assert(await cell.evaluate((button) => button === document.activeElement));
  }));

test("every backend's answer to the same question stands beside", () => withPage("complete", async (page) => {
  await page.click(heat);
  const backends = await page.$$eval("dialog article >> nth=0 >> tbody th", (all) => all.map((th) => th.textContent.trim()));
  assert.deepEqual(backends, ["full", "window", "infini"]);
}));

test("right and wrong answers can be told apart", () => withPage("complete", async (page) => {
  await page.evaluate(() => openSamples(RECORDS.find((r) => r.metric === "passkey/exact_match" && r.depth === null &&
    r.backend === "window" && r.context_length === 1024 && r.subtask === "")));
  const count = () => page.$$eval("dialog article", (all) => all.length);
  const [right, wrong] = await page.$$eval("dialog .controls button", (all) => all.slice(1).map((b) => Number(/\d+/.exec(b.textContent)[0])));
  assert.equal(await count(), right + wrong);
  await page.click("dialog button:text('wrong')");
  assert.equal(await count(), wrong);
  assert.doesNotMatch(await page.innerText("dialog article >> nth=0 >> tbody tr >> nth=0"), /right/);
  await page.click("dialog button:text('all (')");
  await page.click("dialog button:text('Close')");
  assert.equal(await page.$("dialog"), null);
}));

test("a point of a figure opens its samples", () => withPage("complete", async (page) => {
  await page.evaluate(() => document.querySelector("#retrieval-by-context-length figure .canvas").scrollIntoView({ block: "center", behavior: "instant" }));
  const at = await page.waitForFunction(() => {
    const canvas = document.querySelector("#retrieval-by-context-length figure canvas"), chart = Chart.getChart(canvas);
    if (!chart) return null;
    const { x, y } = chart.getDatasetMeta(1).data[1], box = canvas.getBoundingClientRect();
    return { x: box.left + x, y: box.top + y, text: placeName(chart.data.datasets[1].data[1].record) };
  });
  const { x, y, text } = await at.jsonValue();
  await page.waitForTimeout(100);
  await page.mouse.click(x, y);
  assert.equal(await page.innerText("dialog h2"), text);
}));

for (const [where, selector] of [["the summary", "#summary table button.behind"],
  ["the numbers of a figure", "#retrieval-by-context-length .numbers button.behind"],
  ["all records", "#all-records button.behind"]]) {
  test(`a value of ${where} opens its samples`, () => withPage("complete", async (page) => {
    await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
    await page.click(`${selector} >> nth=0`);
    assert((await page.$$("dialog article")).length > 0);
  }));
}

test("the dialog says how many of a cell's samples the page holds", () => withPage("large", async (page) => {
  const [held, total] = await page.evaluate(() => {
    const r = RECORDS.find((record) => samplesOf(record).length > 0);
    DATA.samples.totals[r.cell_id] = 1234;
    openSamples(r);
    return [SAMPLES_OF_CELL.get(r.cell_id).length, 1234];
  });
  assert.match(await page.innerText("dialog"), new RegExp(`holds ${held} of the cell's ${total} samples`));
}));

test("hostile samples stay text, and the dialog has no serious finding by axe", () => withPage("hostile", async (page) => {
  await page.click(`${heat} >> nth=0`);
  assert.match(await page.innerText("dialog"), /<img src=x onerror=alert\(2\)>/);
  assert.equal(await page.$("dialog img"), null);
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  const serious = await page.evaluate(async () => (await window.axe.run("dialog")).violations
    .filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => `${v.id}: ${v.nodes[0].html}`));
  assert.deepEqual(serious, []);
}));
