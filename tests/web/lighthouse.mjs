// Runs Lighthouse as a phone would see each address given on stdin (a JSON list), and prints a JSON line of scores for
// each. Of three runs it takes the best performance, since other work on the machine only ever lowers that, and of the
// rest the worst; all runs stand on stderr.
import lighthouse from "lighthouse";
import { readInput, report, withChromium } from "./chromium.mjs";

const RUNS = 3;
const CATEGORIES = ["performance", "accessibility", "best-practices", "seo"];

const urls = await readInput();
await withChromium(async (browser) => {
  const port = Number(new URL(browser.wsEndpoint()).port);
  for (const url of urls) {
    const results = [];
    for (let run = 0; run < RUNS; run += 1) {
      const { lhr } = await lighthouse(url, { port, onlyCategories: CATEGORIES, logLevel: "error" });
      results.push(lhr);
    }
    const runs = CATEGORIES.map((name) => [name, results.map((one) => Math.round(100 * one.categories[name].score))]);
    console.error(`  ${new URL(url).pathname} ${JSON.stringify(Object.fromEntries(runs))}`);
    const scores = Object.fromEntries(
      runs.map(([name, all]) => [name, name === "performance" ? Math.max(...all) : Math.min(...all)]),
    );
    report({ where: new URL(url).pathname, scores, failed: failedAudits(results[0]) });
  }
});

// What counts towards a score and is not perfect.
function failedAudits(result) {
  const counted = CATEGORIES.flatMap((name) => result.categories[name].auditRefs.filter(({ weight }) => weight > 0));
  return counted
    .map(({ id }) => result.audits[id])
    .filter(({ score }) => score !== null && score < 0.9)
    .map(({ id, title, displayValue }) => `${id}: ${title} ${displayValue ?? ""}`.trim());
}
