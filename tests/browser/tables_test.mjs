// Tables sort by value; the order they had comes back.
import { test } from "node:test";
import assert from "node:assert/strict";
import { openAll, withPage } from "./page.mjs";

/** Texts of a column, after `clicks` on its header. */
const columnAfter = (table, column, clicks) => table.evaluate((node, [i, times]) => {
  for (let k = 0; k < times; ++k) node.tHead.rows[0].cells[i].querySelector("button").click();
  return [...node.tBodies[0].rows].map((row) => row.cells[i].textContent);
}, [column, clicks]);

const headsOf = (table) => table.evaluate((node) => [...node.tHead.rows[0].cells].map((cell) => cell.textContent));

test("a click sorts numbers ascending, a second descending, a third as they were", () => withPage("complete", async (page) => {
  await page.evaluate(() => {
    const rows = [["a", 3], ["b", null], ["c", 20], ["d", -1], ["e", 3], ["f", 1e-5]].map(([name, value]) =>
      [name, valued(value, show(value, "1"))]);
    document.body.append(Object.assign(table(["name", "value"], rows, { numeric: [1] }), { id: "made" }));
  });
  const made = await page.$("#made table");
  const names = async (clicks) => { await columnAfter(made, 1, clicks); return (await columnAfter(made, 0, 0)).join(""); };
  const sortOf = () => made.evaluate((node) => [...node.tHead.rows[0].cells].map((cell) => cell.getAttribute("aria-sort")));
  assert.equal(await names(1), "dfaecb");
  assert.deepEqual(await sortOf(), [null, "ascending"]);
  assert.equal(await names(1), "caefdb");
  assert.deepEqual(await sortOf(), [null, "descending"]);
  assert.equal(await names(1), "abcdef");
  assert.deepEqual(await sortOf(), [null, null]);
}));

test("texts of numbers sort as numbers, others as words", () => withPage("empty", async (page) => {
  const order = (...texts) => page.evaluate((given) => sorted(given, valueIn, "ascending"), texts);
  assert.deepEqual(await order("4k", "512", "1k", "–"), ["512", "1k", "4k", "–"]);
  assert.deepEqual(await order("2 MiB", "900 KiB", "12 B"), ["12 B", "900 KiB", "2 MiB"]);
  assert.deepEqual(await order("[0.25, 0.3]", "[0.103, 0.2]", "[−0.5, 0]"), ["[−0.5, 0]", "[0.103, 0.2]", "[0.25, 0.3]"]);
  assert.deepEqual(await order("1.00e−4", "2.00e−5", "0.100"), ["2.00e−5", "1.00e−4", "0.100"]);
  assert.deepEqual(await order("1,200", "300", "– oom"), ["300", "1,200", "– oom"]);
  assert.deepEqual(await order("seed 10", "seed 9", "full"), ["full", "seed 9", "seed 10"]);
}));

test("every table of data has headers that sort, and the third click undoes it", () => withPage("complete", async (page) => {
  await openAll(page);
  const wrong = await page.evaluate(() => {
    const tables = [...document.querySelectorAll("main table")].filter((table) => !table.closest(".heatmap"));
    const rowsOf = (table) => [...table.tBodies[0].rows].map((row) => row.textContent);
    const found = tables.length > 30 ? [] : [`only ${tables.length} tables`];
    for (const table of tables.filter((one) => one.tBodies[0].rows.length > 1)) {
      const before = rowsOf(table), same = (rows, others) => rows.join("\n") === others.join("\n");
      for (const head of table.tHead.rows[0].cells) {
        const button = head.querySelector("button");
        if (!button?.textContent) { found.push(`no button with a name in ${table.tHead.textContent}`); continue; }
        button.click();
        const all = !table.closest(".tall");  // which show a part of their rows
        if (all && !same(rowsOf(table).sort(), [...before].sort())) found.push(`rows lost by ${head.textContent}`);
        button.click();
        button.click();
        if (!same(rowsOf(table), before)) found.push(`not as before by ${head.textContent} of ${table.tHead.textContent}`);
      }
    }
    return found;
  });
  assert.deepEqual(wrong, []);
}));

test("the summary sorts by its values, and what has none comes last", () => withPage("complete", async (page) => {
  const summary = await page.$("#summary table.summary >> nth=1"), heads = await headsOf(summary);
  const passkey = heads.findIndex((head) => head.startsWith("Passkey exact match"));
  for (const clicks of [1, 1]) {
    const cells = await columnAfter(summary, passkey, clicks);
    assert.match(cells.at(-1), /^– oom/);
  }
}));

test("all records are sorted before they are cut", () => withPage("complete", async (page) => {
  const records = await page.$("#all-records table"), heads = await headsOf(records);
  await columnAfter(records, heads.indexOf("value"), 2);
  const most = await page.evaluate(() => show(Math.max(...RECORDS.map((r) => r.value ?? -Infinity)), "bytes"));
  assert.equal((await columnAfter(records, heads.indexOf("value"), 0))[0], most);
}));

test("the search of the samples narrows them", () => withPage("complete", async (page) => {
  await page.fill("#samples input[type=search]", "infini 2k");
  const rows = await page.$$eval("#samples tbody tr", (all) => all.map((row) => row.textContent));
  assert(rows.length > 0 && rows.every((text) => /infini/.test(text) && /2k/.test(text)));
}));
