// axe-core's rules hold in both themes, whatever is unfolded.
import { test } from "node:test";
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { openAll, withPage } from "./page.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function findings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.length} × ${v.help}, e.g. ${v.nodes[0].html.slice(0, 160)} (${v.nodes[0].failureSummary})`);
}

for (const colorScheme of ["light", "dark"]) {
  test(`no finding by axe, ${colorScheme}`, () => withPage("complete", async (page) => {
    await openAll(page);
    assert.deepEqual(await findings(page), []);
  }, { colorScheme }));
}
