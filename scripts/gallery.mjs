// Saves from reports what docs/gallery.md shows, by the buttons that a reader would press. An image
// of that file says in its title where it comes from: ![...](gallery/NAME.svg "STUDY: FIGURE").
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const DOCS = "docs", EXAMPLE = "quickstart";

function fail(message) {
  console.error(`gallery: ${message}`);
  process.exit(2);
}

/** Figures by study: {study: [{file, title}]}. */
function wanted() {
  const figures = {};
  for (const [, file, study, title] of readFileSync(`${DOCS}/gallery.md`, "utf8")
    .matchAll(/!\[[^\]]*\]\((gallery\/[\w.-]+\.svg) "([\w-]+): ([^"]+)"\)/g)) {
    (figures[study] ??= []).push({ file, title });
  }
  return figures;
}

/** The study's report, written by this build from its store. */
function reportOf(study) {
  const folder = `runs/${study}`;
  if (!existsSync(`${folder}/store.sqlite`)) {
    fail(`no study in ${folder}; run: build/release/longreach run configs/${study}.yaml`);
  }
  execFileSync("build/release/longreach", ["report", folder], { stdio: ["ignore", "ignore", "inherit"] });
  return `${folder}/report.html`;
}

/** Unfolds the page, so that every figure is there to be found. */
async function unfold(page) {
  await page.evaluate(async () => {
    for (let closed; (closed = document.querySelectorAll("main details.more:not([open])")).length;) {
      for (const details of closed) details.open = true;
      await new Promise((done) => setTimeout(done, 50));
    }
  });
}

async function saveFigure(page, study, { file, title }) {
  const button = page.getByRole("button", { name: `SVG of ${title}`, exact: true });
  if (await button.count() === 0) fail(`${study} has no figure called "${title}"`);
  const download = page.waitForEvent("download");
  await button.first().click();
  await (await download).saveAs(`${saved}/${file}`);
  console.log(`${DOCS}/${file}`);
}

const figures = wanted();
const reports = Object.fromEntries([...new Set([EXAMPLE, ...Object.keys(figures)])].map((study) => [study, reportOf(study)]));
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1300, height: 2400 }, acceptDownloads: true });

const saved = mkdtempSync("build/gallery-");  // takes the old figures' place once all are there
for (const [study, list] of Object.entries(figures)) {
  await page.goto(pathToFileURL(resolve(reports[study])).href);
  await unfold(page);
  for (const figure of list) await saveFigure(page, study, figure);
}
rmSync(`${DOCS}/gallery`, { recursive: true, force: true });
cpSync(`${saved}/gallery`, `${DOCS}/gallery`, { recursive: true });
rmSync(saved, { recursive: true });

await page.goto(pathToFileURL(resolve(reports[EXAMPLE])).href);
await page.screenshot({ path: `${DOCS}/report.png` });
copyFileSync(reports[EXAMPLE], `${DOCS}/examples/${EXAMPLE}.html`);
console.log(`${DOCS}/report.png\n${DOCS}/examples/${EXAMPLE}.html`);
await browser.close();
