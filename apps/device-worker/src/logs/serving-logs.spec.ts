import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog, type AppLog } from '@mserve/app';
import { MetricRegistry } from '@mserve/metrics';
import { servingLogMetrics, ServingLogs } from './serving-logs.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mserve-logs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Rig {
  readonly logs: ServingLogs;
  readonly log: AppLog;
  readonly warnings: string[];
  readonly lost: () => number;
}

function rig(options: { folder?: string; maxBytes?: number; backups?: number } = {}): Rig {
  const count = new MetricRegistry().counter(servingLogMetrics.lost).of([]);
  const warnings: string[] = [];
  const logs = new ServingLogs({ folder, maxBytes: 1_000, backups: 2, ...options, lost: count });
  const log = logs.over({ ...silentLog, warn: (_, text) => void warnings.push(text) });
  const lost = (): number => count.value;
  return { logs, log, warnings, lost };
}

const read = (...names: string[]): string => readFileSync(join(folder, ...names), 'utf8');
const kit = { servable: 'kit', version: 2, deviceId: 1 };

describe('the log files of servables', () => {
  it('have a file for each servable version and device, in the form of the original', async () => {
    const { logs, log } = rig({ maxBytes: 100_000 });
    log.info({ ...kit, replica: 'a' }, 'replica is ready');
    log.error({ ...kit, err: new Error('no luck') }, 'a native run failed');
    log.warn({ servable: 'kit', deviceId: 0 }, 'a function is deprecated');
    log.info({}, 'about no servable');
    log.debug(kit, 'too fine');
    logs.print(kit, 'printed by a function');
    await logs.flush();
    expect(readdirSync(folder).sort()).toEqual(['log_kit_device0_version0.log', 'log_kit_device1_version2.log']);
    const head = String.raw`SERVING\(${process.pid},${process.pid},mserve\):\d{4}-\d\d-\d\d-\d\d:\d\d:\d\d\.\d{3}\.000`;
    const lines = read('log_kit_device1_version2.log').split('\n');
    expect(lines[0]).toMatch(new RegExp(String.raw`^\[INFO\] ${head} \[kit:2\] device 1\] replica is ready \{"replica":"a"\}$`));
    expect(lines[1]).toMatch(new RegExp(String.raw`^\[ERROR\] ${head} \[kit:2\] device 1\] a native run failed: Error: no luck$`));
    expect(lines.at(-2)).toBe('printed by a function');
    expect(read('log_kit_device0_version0.log')).toMatch(/^\[WARNING\] .* a function is deprecated\n$/);
  });

  it('go on where they were, are moved aside when they are full, and the oldest goes', async () => {
    const { logs } = rig({ maxBytes: 100 });
    writeFileSync(join(folder, 'log_kit_device1_version2.log'), `${'z'.repeat(60)}\n`);
    for (const letter of ['a', 'b', 'c', 'd']) {
      logs.print(kit, letter.repeat(60));
      await logs.flush();
    }
    const at = (age: string): string => read(`log_kit_device1_version2.log${age}`)[0] as string;
    expect(readdirSync(folder)).toHaveLength(3);
    expect([at(''), at('.1'), at('.2')]).toEqual(['d', 'c', 'b']);
  });

  it('keep no older file when none is wanted', async () => {
    const { logs } = rig({ maxBytes: 100, backups: 0 });
    for (const letter of ['a', 'b']) {
      logs.print(kit, letter.repeat(60));
      await logs.flush();
    }
    expect(readdirSync(folder)).toEqual(['log_kit_device1_version2.log']);
    expect(read('log_kit_device1_version2.log')).toBe(`${'b'.repeat(60)}\n`);
  });

  it('come back when their folder was removed', async () => {
    const { logs, lost } = rig();
    logs.print(kit, 'one');
    await logs.flush();
    rmSync(folder, { recursive: true });
    logs.print(kit, 'two');
    await logs.flush();
    expect([read('log_kit_device1_version2.log'), lost()]).toEqual(['two\n', 0]);
  });

  it.each<[string, (path: string) => void]>([
    ['a full disk', (path) => symlinkSync('/dev/full', path)],
    ['a file that is a folder', (path) => mkdirSync(path)],
  ])('count the lines that %s does not take, say so once, and go on', async (_name, spoil) => {
    const { logs, log, warnings, lost } = rig();
    const path = join(folder, 'log_kit_device1_version2.log');
    spoil(path);
    for (let i = 0; i < 3; i++) {
      log.info(kit, 'a line');
      await logs.flush();
    }
    expect(warnings).toEqual(['log files of servables cannot be written: lines are dropped and counted']);
    expect(lost()).toBe(3);
    rmSync(path, { recursive: true });
    logs.print(kit, 'again');
    await logs.flush();
    expect(read('log_kit_device1_version2.log')).toBe('again\n');
  });

  it('drop what waits beyond a mebibyte', async () => {
    const { logs, lost } = rig({ maxBytes: 2 ** 30 });
    const line = 'x'.repeat(2 ** 18 - 1);
    for (let i = 0; i < 6; i++) logs.print(kit, line);
    await logs.flush();
    expect(read('log_kit_device1_version2.log').length / 2 ** 18 + lost()).toBe(6);
    expect(lost()).toBeGreaterThan(0);
  });
});
