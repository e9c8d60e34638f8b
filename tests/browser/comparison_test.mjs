// The page of `longreach compare`: no script, inert, readable in either theme and on a phone.
import { test } from "node:test";
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pictures, withPage } from "./page.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const picture = pictures("comparison");

for (const colorScheme of ["light", "dark"]) {
  test(`a comparison is inert whatever its names hold, and axe finds nothing, ${colorScheme}`, () =>
    withPage("comparison", async (page) => {
      assert.equal(await page.locator("script, img, link, iframe, b").count(), 0);
      assert.equal(await page.locator("tbody tr").count(), 2);
      assert.match(await page.locator("h1").innerText(), /<script>alert\(1\)<\/script>/);
      assert.equal(await page.locator("tbody tr.worse svg line").count(), 2);
      await page.screenshot({ path: picture(colorScheme), fullPage: true });
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run(document));
      assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 160)}`), []);
    }, { colorScheme }));
}

test("a comparison fits a phone, whose table scrolls within its box", () => withPage("comparison", async (page) => {
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
}, { viewport: { width: 390, height: 800 } }));
