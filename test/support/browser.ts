import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The Chromium of this machine: the variable CHROMIUM, else where Debian and others put it. Undefined when there is none. */
export const chromiumPath: string | undefined = [process.env['CHROMIUM'] ?? '', ...places].find((path) => path !== '' && existsSync(path));

/** A Chromium without the sandbox, which does not run as root; what it would tell its maker at a start is switched off. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath as string,
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update'],
  });
}

/** What a page says on its console at the levels warning and error, and what it throws; and which addresses it asked for. */
export function watchPage(page: Page): { readonly problems: string[]; readonly asked: Set<string> } {
  const problems: string[] = [];
  const asked = new Set<string>();
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol.startsWith('http')) asked.add(host);
  });
  return { problems, asked };
}
