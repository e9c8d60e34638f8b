// The page of `longreach report --watch`: renews itself, where the reader was, and asks nobody else.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const LONGREACH = resolve(process.env.LONGREACH_PAGES, "..", "longreach");
const SOURCE = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const folder = mkdtempSync(join(tmpdir(), "longreach-watch-"));
let browser, watch;

before(async () => {
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(async () => {
  watch?.kill("SIGKILL");
  await browser?.close();
  rmSync(folder, { recursive: true });
});

/** Runs the experiment's next cells, and leaves the page its machine. */
function run(...options) {
  const ran = spawnSync(LONGREACH, ["run", join(folder, "c.yaml"), "--output", join(folder, "out"), "--no-probe",
    "--threads", "1", ...options], { cwd: SOURCE, encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stderr);
}

/** Its address, once it has one. */
const started = () => new Promise((done) => {
  watch = spawn(LONGREACH, ["report", "--watch", join(folder, "out")]);
  watch.stdout.once("data", (line) => done(String(line).split(" ")[0]));
});

test("the served page waits, follows a run, keeps its place, and tells when the watch has ended", async () => {
  writeFileSync(join(folder, "c.yaml"), `version: 1
name: watched
models: [{name: reader, arch: {layers: 1, width: 16, heads: 2}, train: {data: {text: {path: configs/data/harbour.txt,
  held_out: 0.4}}, steps: 4, length: 64, batch_tokens: 128}}]
backends: [{name: full, full: {}, baseline: true}, {name: window, sliding_window: {window: 16}}]
lengths: [64, 128]
tasks: [{perplexity: {stride: 32, tokens: 64}}, memory]
`);
  const address = await started();
  const page = await browser.newPage({ viewport: { width: 1000, height: 700 } });
  page.setDefaultTimeout(30000);
  const wrong = [];
  page.on("console", (message) => { if (message.type() === "error") wrong.push(message.text()); });
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("request", (request) => {
    const { origin, pathname } = new URL(request.url());
    if (origin !== new URL(address).origin || !["/", "/version"].includes(pathname)) wrong.push(request.url());
  });
  const says = (words) => page.waitForFunction((w) => document.getElementById("live")?.textContent === w, words);

  await page.goto(address);
  assert.match(await page.innerText("body"), /Waiting for results/);
  await says("live: no cells yet");

  run("--limit", "3");
  await page.waitForSelector("main > section#reproduce");
  await says("live: 3 of 10 cells");
  assert.match(await page.title(), /^live: 3 of 10 cells – watched/);

  for (let i = 0; i < 5; ++i) {  // what a scroll draws moves what is below
    await page.$eval("#reproduce", (section) => section.scrollIntoView({ behavior: "instant" }));
    await page.waitForTimeout(100);
  }
  const top = () => page.$eval("#reproduce", (section) => Math.round(section.getBoundingClientRect().top));
  const version = () => page.$eval("script[data-version]", (script) => script.dataset.version);
  const place = await top(), old = await version();
  run();
  await page.waitForFunction((v) => document.querySelector("script[data-version]")?.dataset.version !== v, old);
  await says("done: 10 of 10 cells");
  await page.waitForTimeout(700);
  assert.ok(Math.abs(await top() - place) < 30, `stood at ${place}, stands at ${await top()}`);
  assert.deepEqual(wrong, []);

  watch.kill("SIGINT");
  await says("not live any more; the watch has ended");
});
