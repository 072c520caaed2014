import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { documentedMetrics } from '../../scripts/metrics-docs.mjs';
import { root } from '../support/running-process.js';

const folder = join(root, 'deploy/grafana');
const places = [join(homedir(), '.cache/mserve/bin'), ...(process.env['PATH'] ?? '').split(delimiter)];
const promtool = places.map((place) => join(place, 'promtool')).find(existsSync);
const rules = readFileSync(join(folder, 'alerts.yml'), 'utf8');
const tests = readFileSync(join(folder, 'alerts.test.yml'), 'utf8');

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string }[];
}
interface Board {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
}

const boards = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name): [string, Board] => [name, JSON.parse(readFileSync(join(folder, name), 'utf8')) as Board]);

/** Names of metrics in an expression, of which histograms have three forms. */
function unknownMetrics(text: string): string[] {
  const known = new Set(documentedMetrics.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]));
  return [...new Set(text.match(/\bmserve_[a-z0-9_]+/g) ?? [])].filter((name) => !known.has(name));
}

describe('deploy/grafana', () => {
  it('names only metrics that there are', () => {
    expect(unknownMetrics(rules)).toEqual([]);
    expect(unknownMetrics(tests)).toEqual([]);
    for (const [, { panels }] of boards)
      expect(unknownMetrics(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join(' '))).toEqual([]);
  });

  it('has a test in which each alert fires', () => {
    const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name as string);
    const firing = new Set([...tests.matchAll(/alertname: (\w+)\n\s+exp_alerts:\n/g)].map(([, name]) => name));
    expect(alerts.length).toBeGreaterThanOrEqual(7);
    expect(alerts.filter((name) => !firing.has(name))).toEqual([]);
  });

  it.each(boards)('%s: panels do not overlap, and each asks for something', (_, { uid, title, panels }) => {
    expect(uid).toMatch(/^mserve-/);
    expect(title).toMatch(/^mserve/);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const [i, { gridPos: a, targets, title: name }] of panels.entries()) {
      expect([name, targets.length > 0 && targets.every(({ expr }) => expr !== '')]).toEqual([name, true]);
      expect(a.x + a.w).toBeLessThanOrEqual(24);
      for (const { gridPos: b } of panels.slice(i + 1))
        expect(a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h).toBe(false);
    }
  });
});

const withPromtool = promtool === undefined ? describe.skip : describe;
withPromtool(
  `rules and dashboards by promtool${promtool === undefined ? ' (skipped: there is no promtool on the PATH or in ~/.cache/mserve/bin; docs/observability.md says how to get it)' : ''}`,
  () => {
    it('the expressions of the dashboards are PromQL', () => {
      const exprs = boards.flatMap(([, { panels }]) => panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)));
      const plain = exprs.map((expr) => expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, '.*'));
      const groups = [{ name: 'panels', rules: plain.map((expr, i) => ({ record: `panel:${i}`, expr })) }];
      const directory = mkdtempSync(join(tmpdir(), 'mserve-grafana-'));
      try {
        // JSON is YAML
        writeFileSync(join(directory, 'panels.yml'), JSON.stringify({ groups }));
        expect(execFileSync(promtool as string, ['check', 'rules', 'panels.yml'], { cwd: directory, encoding: 'utf8' })).toContain(
          `${exprs.length} rules found`,
        );
      } finally {
        rmSync(directory, { recursive: true });
      }
    });

    it('the alert rules are sound, and fire when they should and only then', () => {
      const promtoolPath = promtool as string;
      expect(execFileSync(promtoolPath, ['check', 'rules', 'alerts.yml'], { cwd: folder, encoding: 'utf8' })).toContain('SUCCESS');
      expect(execFileSync(promtoolPath, ['test', 'rules', 'alerts.test.yml'], { cwd: folder, encoding: 'utf8' })).toContain('SUCCESS');
    });
  },
);
