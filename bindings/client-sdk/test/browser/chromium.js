// Chromium as tests use it: headless, ended with the test run, everything that it says written down.
import { chromium } from 'playwright-core';
import { existsSync } from 'node:fs';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(executablePath)) {
  throw new Error(`${executablePath} is missing: install the Debian package chromium, or say where it is in CHROMIUM`);
}

// Chromium's own sandbox needs another user than root.
const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
export const launchOptions = { executablePath, args };

export const launch = () => chromium.launch(launchOptions);

/** In a profile of its own on disk, which the caller removes. */
export const launchProfile = (directory) => chromium.launchPersistentContext(directory, launchOptions);

/** Writes down what a page says and asks for. */
export function listenTo(page) {
  const heard = { console: [], errors: [], requests: [], bodies: [] };
  page.on('console', (message) => heard.console.push(message.text()));
  page.on('pageerror', (error) => heard.errors.push(`${error.message}\n${error.stack}`));
  page.on('request', (request) => {
    heard.requests.push(request.url());
    heard.bodies.push(request.postData() ?? '');
  });
  return heard;
}
