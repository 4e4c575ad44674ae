// Opens each address given on stdin (a JSON list) in both colour schemes and at both widths, and prints a JSON line for
// each thing wrong: what axe-core finds, sideways scrolling at 320 px, and whatever the browser itself complains of.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { readInput, report, withChromium } from "./chromium.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SCHEMES = ["light", "dark"];
const NARROWEST = 320;
const WIDTHS = [NARROWEST, 1280];
const RULES = {
  resultTypes: ["violations"],
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  rules: { "target-size": { enabled: true } }, // 2.5.8 is off unless asked for
};
// WCAG 1.4.12: a reader may set these, and nothing may be lost.
const TEXT_SPACING = `* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
  p { margin-block-end: 2em !important; }`;

const TABS = 2;

const urls = await readInput();
await withChromium(async (browser) => {
  const inspect = async () => {
    const page = await browser.newPage();
    let where = "";
    page.on("console", (message) => {
      // A page that is rightly 404 or 410 is logged as a failure to load itself.
      const isItself = message.location().url === page.url();
      if (message.type() === "error" && !isItself) report({ where, what: `console: ${message.text()}` });
    });
    while (urls.length > 0) {
      const url = urls.shift();
      where = new URL(url).pathname + new URL(url).search;
      await page.goto(url, { waitUntil: "load", timeout: 120_000 });
      await page.evaluate(AXE);
      for await (const what of faults(page)) report({ where, what });
    }
  };
  await Promise.all(Array.from({ length: TABS }, inspect));
});

async function* faults(page) {
  for (const width of WIDTHS) {
    await page.setViewport({ width, height: 900 });
    for (const scheme of SCHEMES) {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      for (const what of await violations(page)) yield `${scheme}, ${width} px: ${what}`;
    }
    if (width === NARROWEST) yield* sidewaysScrolling(page);
  }
}

async function violations(page) {
  const found = await page.evaluate(async (rules) => (await axe.run(document, rules)).violations, RULES);
  return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
}

async function* sidewaysScrolling(page) {
  const overflow = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const plain = await page.evaluate(overflow);
  if (plain > 0) yield `${NARROWEST} px: ${plain} px wider than the window`;
  await page.evaluate((css) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    document.adoptedStyleSheets = [sheet];
  }, TEXT_SPACING);
  const spaced = await page.evaluate(overflow);
  if (spaced > 0) yield `${NARROWEST} px with wide text spacing: ${spaced} px wider than the window`;
  await page.evaluate(() => {
    document.adoptedStyleSheets = [];
  });
}
