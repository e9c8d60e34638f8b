// A page of 10,000 records opens at once and can be mailed.
import { test } from "node:test";
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { fileOf, withPage } from "./page.mjs";

test("10,000 records make a file under 5 MB that is interactive in under 3 seconds", async () => {
  assert(statSync(fileOf("large")).size < 5e6);
  const began = performance.now();
  await withPage("large", async (page) => {
    await page.click("#theme");  // waits until the page reacts
    assert.equal(await page.innerText("#theme"), "Theme: light");
    const took = performance.now() - began;
    console.log(`interactive after ${took.toFixed(0)} ms`);
    assert(took < 3000, `took ${took.toFixed(0)} ms`);
    assert.equal(await page.evaluate(() => RECORDS.length), 10000);
  });
});
