// Every figure can be saved, whole and named.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { withPage } from "./page.mjs";

const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47]);

/** The file that a click gives. */
async function saved(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

test("the buttons of every figure give its SVG and its PNG", () => withPage("complete", async (page) => {
  const heads = await page.$$(".figure-head");
  assert(heads.length > 20);
  for (const head of heads.filter((_, i) => i % 8 === 0)) {  // all of them are drawn in tests/reports
    const title = await (await head.$("h3")).innerText();
    const svg = await saved(page, await head.$("button:text-is('SVG')"));
    assert(svg.bytes.length > 2000, title);
    assert.match(svg.bytes.toString(), /<svg[\s\S]*<\/svg>\s*$/);
    const png = await saved(page, await head.$("button:text-is('PNG')"));
    assert(png.bytes.length > 2000 && png.bytes.subarray(0, 4).equals(PNG), title);
    assert.match(svg.name, /^[\p{L}\p{N}-]+\.svg$/u);
    assert.equal(png.name, svg.name.replace("svg", "png"));
  }
}));

test("a hostile figure is saved as well", () => withPage("hostile", async (page) => {
  const svg = await saved(page, await page.$(".figure-head button:text-is('SVG')"));
  assert.doesNotMatch(svg.bytes.toString(), /<script|<img/);
  assert.match(svg.name, /^[\p{L}\p{N}-]+\.svg$/u);
}));
