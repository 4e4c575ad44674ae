// Runs Lighthouse as a phone would see each address given on stdin (a JSON list), and prints a JSON line of scores for
// each. Performance is the median of three runs, since it measures this machine too.
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
    const scores = Object.fromEntries(CATEGORIES.map((name) => [name, Math.round(100 * median(results, name))]));
    console.error(`  ${new URL(url).pathname} ${JSON.stringify(scores)}`);
    report({ where: new URL(url).pathname, scores, failed: failedAudits(results[0]) });
  }
});

function median(results, category) {
  return results.map((result) => result.categories[category].score).sort((a, b) => a - b)[Math.floor(RUNS / 2)];
}

// What counts towards a score and is not perfect.
function failedAudits(result) {
  const counted = CATEGORIES.flatMap((name) => result.categories[name].auditRefs.filter(({ weight }) => weight > 0));
  return counted
    .map(({ id }) => result.audits[id])
    .filter(({ score }) => score !== null && score < 0.9)
    .map(({ id, title, displayValue }) => `${id}: ${title} ${displayValue ?? ""}`.trim());
}
