import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { State } from '@mserve/ops';
import type { Browser, Page } from 'playwright-core';
import { bundleDashboard } from '../../scripts/dashboard.mjs';
import { chromiumPath, startBrowser, watchPage } from '../support/browser.js';
import { startFleet, type Fleet } from '../support/fleet.js';
import { freePort } from '../support/free-port.js';
import { startNatsServer, type NatsServer } from '../support/nats-server.js';
import { root } from '../support/running-process.js';

const token = 'a-token-of-the-dashboard-spec-0123456789';
/** Where screenshots are kept: `npm test` leaves them there. */
const shots = join(root, 'build/screenshots');
const images = join(root, 'examples/digits/images');
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const run = promisify(execFile);

// A browser on a busy machine is slow; nothing here waits that long when all is well
const patienceMs = 240_000;
jest.setTimeout(patienceMs);

let nats: NatsServer;
let fleet: Fleet;
let ops: string;
let directory: string;
beforeAll(async () => {
  await bundleDashboard();
  directory = mkdtempSync(join(tmpdir(), 'mserve-dashboard-'));
  for (const name of ['digits', 'add']) cpSync(join(root, 'examples', name), join(directory, name), { recursive: true });
  cpSync(join(directory, 'add/1'), join(directory, 'add/2'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  nats = await startNatsServer();
  ops = `127.0.0.1:${await freePort()}`;
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const admin = `127.0.0.1:${await freePort()}`;
  fleet = await startFleet(nats.url, directory, ['digits.classify', 'add.add_cast'], ['gateway-0', 'scheduler', 'worker-0'], {
    gateway: ['--ops', ops, '--admin', admin, '--admin-token-file', tokenFile],
    worker: [],
  });
});
afterAll(async () => {
  await fleet?.stop();
  await nats?.stop();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

/** Status and headers, as a client asks that is no browser. */
function ask(path: string, options: { method?: string; headers?: Readonly<Record<string, string>> } = {}) {
  return new Promise<{ status: number | undefined; headers: Readonly<Record<string, unknown>>; text: string }>((resolve, reject) => {
    const [host, port] = ops.split(':');
    const sent = request({ host, port, path, method: options.method ?? 'GET', headers: options.headers ?? {} }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    sent.on('error', reject).end(options.method === 'POST' ? '{}' : undefined);
  });
}

describe('the dashboard over HTTP', () => {
  it('has a policy without inline script, and nothing in the page that would need one', async () => {
    const { status, headers, text } = await ask('/dashboard');
    expect(status).toBe(200);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|\son\w+=|style=/);
    expect((await ask('/dashboard', { headers: { 'if-none-match': String(headers['etag']) } })).status).toBe(304);
    for (const path of ['/dashboard/page.js', '/dashboard/page.css', '/dashboard/icon.svg']) expect((await ask(path)).status).toBe(200);
  });

  it('refuses a foreign Host header, and calls for pages of other origins', async () => {
    for (const path of ['/dashboard', '/dashboard/page.js', '/dashboard/rest/v2/models/add.add_cast/infer', '/dashboard/admin/models'])
      expect((await ask(path, { headers: { host: 'attacker.example' } })).status).toBe(403);
    const infer = '/dashboard/rest/v2/models/add.add_cast/infer';
    const foreign: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://attacker.example' },
    ];
    for (const headers of foreign) expect((await ask(infer, { method: 'POST', headers })).status).toBe(403);
    // It gets to the REST port, which has its own say
    expect(await ask(infer, { method: 'POST', headers: { origin: `http://${ops}` } })).toMatchObject({
      status: 400,
      text: expect.stringContaining('not an infer request'),
    });
  });

  it('hands on nothing but infer requests, and to the admin port nothing without its token', async () => {
    for (const path of [
      '/dashboard/rest/v2/health/live',
      '/dashboard/rest/model/add:add_cast',
      '/dashboard/admin/openapi.json',
      '/dashboard/rest/../admin/models',
    ])
      expect((await ask(path)).status).toBe(404);
    expect((await ask('/dashboard/admin/models')).status).toBe(401);
    expect((await ask('/dashboard/admin/models', { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
  });
});

const inChromium = chromiumPath === undefined ? describe.skip : describe;
// What runs in the page is text: the types of browsers are not known to specs
inChromium(
  `the dashboard in Chromium${chromiumPath === undefined ? ' (skipped: there is no /usr/bin/chromium, and CHROMIUM names none)' : ''}`,
  () => {
    let browser: Browser;
    let page: Page;
    let watched: ReturnType<typeof watchPage>;
    beforeAll(async () => {
      mkdirSync(shots, { recursive: true });
      browser = await startBrowser();
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light', serviceWorkers: 'block' });
      context.setDefaultTimeout(patienceMs);
      page = await context.newPage();
      watched = watchPage(page);
      await page.goto(`http://${ops}/dashboard`);
      await page.locator('.tiles').waitFor();
    });
    afterAll(async () => {
      await browser?.close();
    });

    const tile = (label: string) => page.locator('.tile', { hasText: label }).locator('dd').first();
    const choose = (value: string) => page.locator('#try select').selectOption(value);
    /** Pixels of an image that has been drawn. */
    const untilFilled = async (field: string): Promise<void> => {
      while (!(await page.locator(field).inputValue()).includes('0.'));
    };
    const submit = () => page.locator('#try button.primary').click();

    it('asks nobody but the server', () => {
      expect([...watched.asked]).toEqual([ops]);
    });

    it('draws live data of the running fleet', async () => {
      const { rest } = fleet.gateways[0] as { rest: string };
      const x = { datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4] };
      const body = JSON.stringify({
        inputs: [
          { name: 'x1', ...x },
          { name: 'x2', ...x },
        ],
      });
      let isEnough = false;
      const load = (async () => {
        while (!isEnough) {
          const answer = await fetch(`http://${rest}/v2/models/add.add_cast/infer`, { method: 'POST', body });
          expect(answer.status).toBe(200);
          await answer.arrayBuffer();
        }
      })();
      try {
        // While there is load: what nobody asks has no latency
        await tile('Latency p50')
          .filter({ hasText: /[µm]s$/ })
          .waitFor();
      } finally {
        isEnough = true;
        await load;
      }
      // The line has been drawn: pixels of its colour are in the chart
      const blue = await page.evaluate(`(() => {
        const canvas = document.querySelector('.chart canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let found = 0;
        for (let i = 0; i < data.length; i += 4) if (data[i + 2] > 180 && data[i] < 80 && data[i + 3] > 180) found += 1;
        return found;
      })()`);
      expect(blue).toBeGreaterThan(20);
      const state = (await (await fetch(`http://${ops}/state`)).json()) as State;
      expect(await page.locator('#replicas tbody tr').count()).toBe(state.replicas.length);
      expect(await page.locator('#processes tbody tr').count()).toBe(3);
      for (const { child } of fleet.processes.values())
        expect(await page.locator('#processes').textContent()).toContain(`pid ${child.pid}`);
    });

    it('shows methods with their stages', async () => {
      const graph = page.getByRole('img', {
        name: /^digits\.classify: from image through function digits\.decode, model digits\.onnx, function digits\.pick to label, probabilities$/,
      });
      expect(await graph.count()).toBe(1);
    });

    it('classifies an image by the form, and shows the answer as a number and as bars', async () => {
      await page.getByRole('button', { name: 'Try it: digits.classify' }).click();
      await page.locator('#try input[type=file]').setInputFiles(join(images, 'digit_7.png'));
      await submit();
      await page.locator('.output').first().waitFor();
      expect(await page.locator('.output', { hasText: 'label' }).locator('.scalar').textContent()).toBe('7');
      const bars = page.locator('.output .bars li');
      expect(await bars.count()).toBe(10);
      expect(await page.locator('.output .bars li.best .name').textContent()).toBe('7');
    });

    it('the same call by curl, Python and TypeScript gives the same digit', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'mserve-snippet-'));
      try {
        cpSync(join(images, 'digit_7.png'), join(folder, 'digit_7.png'));
        const textOf = async (name: string): Promise<string> => {
          await page.locator('.tabs').getByRole('button', { name, exact: true }).click();
          return (await page.locator('pre.snippet').textContent()) ?? '';
        };
        const answers = await Promise.all([
          run('bash', ['-c', await textOf('curl')], { cwd: folder }),
          run('python3', ['-c', await textOf('Python')], { cwd: folder }),
          textOf('TypeScript').then((text) => {
            writeFileSync(join(folder, 'call.mjs'), text);
            return run(process.execPath, ['call.mjs'], { cwd: folder });
          }),
        ]);
        for (const { stdout } of answers) expect(stdout).toMatch(/["']label["']: ?7\b/);
        expect(await textOf('grpcurl')).toContain('inference.GRPCInferenceService/ModelInfer');
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it('sends numbers as they are typed, and draws a matrix as a heat map', async () => {
      await choose('add/2/add_cast');
      await page.locator('#input-0').fill('[[1, 2], [3, 4]]');
      await page.locator('#input-1').fill('10 20 30 40.5');
      await submit();
      await page.locator('.output .numbers').waitFor({ state: 'attached' });
      expect(await page.locator('.output .numbers').textContent()).toBe('11, 22, 33, 44.5');
      expect(await page.getByRole('img', { name: /^y as a heat map, 2 by 2, from 11 to 44\.5$/ }).count()).toBe(1);
      // Without a file the call goes by the Open Inference Protocol
      await page.locator('.tabs').getByRole('button', { name: 'curl', exact: true }).click();
      const { stdout } = await run('bash', ['-c', (await page.locator('pre.snippet').textContent()) ?? '']);
      expect(JSON.parse(stdout)).toMatchObject({ outputs: [{ name: 'y', data: [11, 22, 33, 44.5] }] });
    });

    it('fills numbers from an image', async () => {
      await choose('digits/1/logits');
      await page.locator('#input-0-image').setInputFiles(join(images, 'digit_3.png'));
      await untilFilled('#input-0');
      await submit();
      await page.locator('.output .bars li.best').waitFor();
      expect(await page.locator('.output .bars li.best .name').textContent()).toBe('3');
    });

    it('shows why a call failed, here and among the failures', async () => {
      await choose('digits/1/classify');
      await page.locator('#input-0').fill('no image');
      await submit();
      const box = page.locator('.problem.box');
      await box.waitFor();
      expect(await box.textContent()).toContain("'image' is not an image that can be read");
      const requestId = /request (\S+)/.exec((await box.textContent()) ?? '')?.[1] as string;
      const row = page.locator('#failures tbody tr', { hasText: requestId });
      await row.waitFor();
      expect(await row.textContent()).toContain('function-refused');
      // What was not sent at all
      await choose('add/2/add_cast');
      await page.locator('#input-0').fill('[[1, 2], [3]]');
      await submit();
      expect(await page.locator('.problem.box').textContent()).toContain('lists of 2 and of 1 are mixed');
    });

    it('unloads and loads a version once the admin token is given, and not before', async () => {
      expect(await page.getByRole('button', { name: /^(Load|Unload|Switch to) / }).count()).toBe(0);
      await page.getByRole('button', { name: 'Admin…' }).click();
      await page.getByLabel('Token', { exact: true }).fill('wrong');
      await page.getByRole('button', { name: 'Use it' }).click();
      await page.locator('dialog [role=alert]').waitFor();
      await page.getByLabel('Token', { exact: true }).fill(token);
      await page.getByRole('button', { name: 'Use it' }).click();
      await page.getByRole('button', { name: 'Load add version 1' }).click();
      await page.locator('.told', { hasText: 'load add version 1: done by 1 worker' }).waitFor();
      await page.getByRole('button', { name: 'Unload add version 1' }).click();
      await page.locator('.told', { hasText: 'unload add version 1: done by 1 worker' }).waitFor();
      await page.getByRole('button', { name: 'Load add version 1' }).waitFor();
      await page.getByRole('button', { name: 'Leave admin' }).click();
      expect(await page.getByRole('button', { name: /^(Load|Unload|Switch to) / }).count()).toBe(0);
    });

    it.each(['light', 'dark'] as const)('has nothing that axe finds serious, %s', async (colorScheme) => {
      await page.emulateMedia({ colorScheme });
      await page.locator(`html[data-theme=${colorScheme}]`).waitFor({ state: 'attached' });
      // Not as a script of the page: its policy would refuse it
      await page.evaluate(axeSource);
      const violations = await page.evaluate<readonly { id: string; impact: string; nodes: readonly { html: string }[] }[]>(
        'axe.run().then(({ violations }) => violations)',
      );
      const found = violations.map(
        ({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`,
      );
      expect(found.filter((text) => /^(serious|critical)/.test(text))).toEqual([]);
    });

    it('can be used by keyboard alone', async () => {
      const fresh = await page.context().newPage();
      await fresh.goto(`http://${ops}/dashboard`);
      await fresh.locator('.tiles').waitFor();
      await fresh.keyboard.press('Tab');
      expect(await fresh.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
      await fresh.close();
      await page.locator('#try select').focus();
      await choose('digits/1/classify');
      const reached: string[] = [];
      for (let i = 0; i < 6 && !reached.includes('Call digits.classify'); i++) {
        await page.keyboard.press('Tab');
        reached.push(await page.evaluate<string>('document.activeElement.textContent || document.activeElement.id'));
      }
      expect(reached).toEqual(['input-0', 'input-0-file', 'Call digits.classify']);
      await page.locator('#input-0-file').setInputFiles(join(images, 'digit_4.png'));
      await page.locator('#try button.primary').focus();
      await page.keyboard.press('Enter');
      await page.locator('.output .scalar').waitFor();
      expect(await page.locator('.output .scalar').textContent()).toBe('4');
    });

    it.each([320, 768, 1280, 1920])('fits %i px: nothing but tables and graphs scrolls sideways', async (width) => {
      await page.setViewportSize({ width, height: 900 });
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.locator(`html[data-theme=${colorScheme}]`).waitFor({ state: 'attached' });
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
        await page.evaluate('scrollTo(0, 0)');
        await page.screenshot({ path: join(shots, `dashboard-${width}-${colorScheme}.png`), fullPage: width === 320 });
      }
    });

    it('had nothing to complain of but the refused calls of these tests', () => {
      const refused = /^Failed to load resource: the server responded with a status of 40[01]/;
      expect(watched.problems.filter((text) => !refused.test(text))).toEqual([]);
      expect(watched.problems.filter((text) => refused.test(text))).toHaveLength(2);
      expect([...watched.asked]).toEqual([ops]);
    });
  },
);
