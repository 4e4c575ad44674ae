// Starts the Chromium of this machine, with a profile of its own that goes when it ends.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
];

export async function withChromium(use) {
  const userDataDir = await mkdtemp(join(tmpdir(), "clarion-chromium-"));
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROME_PATH,
    args: FLAGS,
    userDataDir,
  });
  try {
    await use(browser);
  } finally {
    await browser.close();
    await rm(userDataDir, { recursive: true, force: true });
  }
}

export async function readInput() {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

export function report(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
