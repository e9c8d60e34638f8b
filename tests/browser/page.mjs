// Opens a report in Debian's Chromium, and notes whatever a report must not do.
import { after, before } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

assert(process.env.LONGREACH_PAGES, "LONGREACH_PAGES names the folder with the pages; tests/browser/run sets it");
const PAGES = resolve(process.env.LONGREACH_PAGES);

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(async () => browser?.close());

export const fileOf = (name) => join(PAGES, `${name}.html`);

/**
 * Gives `look` the page called `name`, then fails if it logged an error, threw, asked for anything but itself, or
 * put up a dialog. options: hash of the address, and what a browser's context takes.
 */
export async function withPage(name, look, { hash = "", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1300, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10000);
  const wrong = [], address = pathToFileURL(fileOf(name)).href;
  page.on("console", (message) => { if (message.type() === "error") wrong.push(`console: ${message.text()}`); });
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    if (request.url().split("#")[0] !== address && !/^(data|blob):/.test(request.url())) wrong.push(`request: ${request.url()}`);
  });
  try {
    await page.goto(address + hash);
    await look(page);
    assert.deepEqual(wrong, []);
  } catch (error) {
    if (wrong.length && !error.message.includes(wrong[0])) error.message += `\nand the page: ${wrong.join("; ")}`;
    throw error;
  } finally {
    await context.close();
  }
}

/** Everything that a reader can unfold is unfolded, and every figure drawn. */
export async function openAll(page) {
  await page.evaluate(async () => {
    for (let closed; (closed = document.querySelectorAll("main details:not([open])")).length;) {
      for (const details of closed) details.open = true;
      await new Promise((done) => setTimeout(done, 50));  // contents are made on "toggle"
    }
    drawAllCharts();
  });
}

/** Where this run's pictures go: artifacts for people, read by no test. */
export function pictures(folder) {
  const path = join(PAGES, "screenshots", folder);
  mkdirSync(path, { recursive: true });
  return (name) => join(path, `${name.replace(/[^\w]+/g, "-").toLowerCase()}.png`);
}
