// The page on paper.
import { test } from "node:test";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { pictures, withPage } from "./page.mjs";

const PAPER = { width: 703, height: 1000 };  // A4 less the margins of print.css, in CSS pixels

/** As paper has it: the page's own preparations, and its rules for print. */
async function onPaper(page) {
  const empty = await page.evaluate(() => {
    window.dispatchEvent(new Event("beforeprint"));  // paper is laid out at once, before any event that this leads to
    return [...document.querySelectorAll("details.numbers")].filter((details) => !details.querySelector("table")).length;
  });
  assert.equal(empty, 0, "numbers without their table");
  await page.emulateMedia({ media: "print" });
}

test("nothing is wider than the paper, or cut by a box that would scroll", () => withPage("complete", async (page) => {
  await onPaper(page);
  const wide = await page.evaluate((width) => [...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.right > width + 1 || (element.matches(".scroll, pre") && (element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1)));
  }).map((element) => `${element.tagName} ${element.className}: ${element.textContent.slice(0, 40)}`), PAPER.width);
  assert.deepEqual(wide, []);
}, { viewport: PAPER }));

test("no control is printed, and no link to a place on the screen", () => withPage("complete", async (page) => {
  await onPaper(page);
  const shown = await page.$$eval("button:not(.sort, .behind, .series), input, select, nav a, dialog, details:not([open])",
    (all) => all.filter((element) => element.getClientRects().length > 0).map((element) => element.outerHTML.slice(0, 80)));
  assert.deepEqual(shown, []);
}, { viewport: PAPER }));

test("every figure is drawn with its numbers, light even where the screen is dark, and all is back afterwards", () =>
  withPage("complete", async (page) => {
    const state = () => page.evaluate(() => ({ theme: document.documentElement.dataset.theme ?? "auto",
      open: document.querySelectorAll("details[open]").length }));
    await page.evaluate(() => document.querySelector("main section").append(
      lazyTable(61, () => table(["row"], Array.from({ length: 61 }, (_, i) => [String(i)])))));  // made when opened
    const before = await state();
    await onPaper(page);
    assert.equal((await state()).theme, "light");
    assert.deepEqual(await page.evaluate(() => CHARTS.filter(({ chart }) => !chart).map(({ title }) => title)), []);
    await page.emulateMedia({ media: "screen" });
    await page.evaluate(() => window.dispatchEvent(new Event("afterprint")));
    assert.deepEqual(await state(), before);
  }, { viewport: PAPER, colorScheme: "dark" }));

test("the paper is kept as PDF", () => withPage("complete", async (page) => {
  const pdf = await page.pdf({ preferCSSPageSize: true });
  assert.equal(pdf.subarray(0, 5).toString(), "%PDF-");
  writeFileSync(pictures("print")("report").replace(/png$/, "pdf"), pdf);
}));
