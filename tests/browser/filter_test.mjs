// The filter: everything on the page is of the records chosen, and the address keeps the choice.
import { test } from "node:test";
import assert from "node:assert/strict";
import { openAll, withPage } from "./page.mjs";

const box = (name) => `#filter-groups label:text-is("${name}") input`;
const headings = (page) => page.$$eval("main h2", (all) => all.map((h) => h.lastChild.textContent));
const choose = async (page, ...names) => {
  await page.click("#filter summary");
  for (const name of names) await page.click(box(name));
};

test("no figure, table or sample has a backend that is left out", () => withPage("complete", async (page) => {
  assert.match(await page.innerText("main"), /window/);
  await choose(page, "window");
  await openAll(page);
  const text = (await page.innerText("main")).split("\n").filter((line) => /\bwindow\b/.test(line) &&
    !/within the (local )?window|is a window|lies within|windows? of|mask/.test(line) && !/window-vs-infini|Window against/.test(line));
  assert.deepEqual(text, []);
  const labels = await page.evaluate(() => CHARTS.flatMap(({ chart }) => chart.data.datasets.map((d) => d.label)));
  assert(labels.length > 0);
  assert.deepEqual(labels.filter((label) => /window/.test(label)), []);
}));

test("sections without a record vanish, from the contents too, and come back", () => withPage("complete", async (page) => {
  const all = await headings(page);
  await choose(page, "passkey", "cost");
  const now = await headings(page);
  assert.deepEqual(all.filter((name) => !now.includes(name)), ["Retrieval by context length",
    "Retrieval by kind of question", "Retrieval by depth and length", "How far answers reach", "Latency", "Memory"]
    .concat(now.includes("What state and time buy") ? [] : ["What state and time buy"]).sort((a, b) => all.indexOf(a) - all.indexOf(b)));
  assert.deepEqual(await page.$$eval("#contents a", (links) => links.map((a) => a.textContent)), now);
  await page.click("#filter-reset");
  assert.deepEqual(await headings(page), all);
  assert(await page.isHidden("#filter-reset"));
}));

test("the bar counts the records shown", () => withPage("complete", async (page) => {
  const total = await page.evaluate(() => ALL_RECORDS.length);
  assert.equal(await page.innerText("#filter-count"), `All ${total.toLocaleString("en-US")} records`);
  await choose(page, "infini");
  const left = await page.evaluate(() => ALL_RECORDS.filter((r) => r.backend !== "infini").length);
  assert.equal(await page.innerText("#filter-count"), `Showing ${left.toLocaleString("en-US")} of ${total.toLocaleString("en-US")} records`);
  assert.equal(await page.innerText("#filter summary"), "Filter: 2 of 3 backends");
}));

test("a choice survives a reload, a link into a section, and going back", () => withPage("complete", async (page) => {
  const shown = () => page.evaluate(() => [...new Set(RECORDS.map((r) => `${r.backend} ${r.context_length}`))].sort());
  await choose(page, "full", "512");
  const chosen = await shown();
  assert.deepEqual(chosen, ["infini 1024", "infini 2048", "infini 4096", "window 1024", "window 2048", "window 4096"]);
  await page.click("#contents a:text-is('Memory')");
  assert.deepEqual(await shown(), chosen);
  await page.reload();
  assert.deepEqual(await shown(), chosen);
  assert.equal(await page.isChecked(box("full")), false);
  await page.goBack();
  assert.deepEqual(await shown(), chosen);
}));

test("an address with names of another run shows all", () => withPage("complete", async (page) => {
  assert.equal(await page.evaluate(() => RECORDS.length === ALL_RECORDS.length), true);
}, { hash: "#backend=elsewhere&length=12&section=nowhere" }));

test("nothing breaks whatever is left out", () => withPage("complete", async (page) => {
  await page.evaluate(() => {
    for (const { values, chosen } of FILTERS) {
      for (const value of values) {
        const drawn = (wanted) => {  // as the boxes do
          chosen.clear();
          wanted.forEach((one) => chosen.add(one));
          filterChanged();
          if (value === values[0]) drawAllCharts();  // the baseline, the shortest length
        };
        drawn([value]);
        drawn(values.filter((other) => other !== value));
        drawn(values);
      }
    }
  });
  await page.click("#filter summary");
  await page.click("#filter-groups button:text('none') >> nth=0");
  assert.match(await page.innerText("main"), /^No record is left/);
}));

test("hostile names filter as others do", () => withPage("hostile", async (page) => {
  await page.click("#filter summary");
  await page.click("#filter-groups input >> nth=0");
  assert.match(await page.innerText("#filter-count"), /^Showing/);
  await page.reload();
  assert.match(await page.innerText("#filter-count"), /^Showing/);
}));

test("the keyboard alone filters", () => withPage("complete", async (page) => {
  await page.focus("#filter summary");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  assert.match(await page.innerText("#filter-count"), /^Showing/);
  assert.equal(await page.evaluate(() => document.activeElement.checked), false);  // the focus stays
}));

test("a click redraws 800 records in a tenth of a second or so, 10,000 within one", async () => {
  for (const [name, limit] of [["complete", 250], ["large", 1000]]) {
    await withPage(name, async (page) => {
      const took = await page.evaluate(() => Math.min(...[1, 2, 3].map(() => {  // the quickest: other work only slows
        const box = document.querySelector("#filter-groups input"), began = performance.now();
        box.click();
        document.body.getBoundingClientRect();  // laid out
        return performance.now() - began;
      })));
      console.log(`${name}: ${took.toFixed(0)} ms`);
      assert(took < limit, `${name} took ${took.toFixed(0)} ms`);
    });
  }
});
