/**
 * `node scripts/metrics-docs.mjs`: writes the tables of docs/metrics.md from the declarations of the rooms (build first). `test/metrics.spec.ts` holds them equal,
 * and equal to what a server shows.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { methodMetrics, runMetrics, servingLogMetrics, workerMetrics } from '@mserve/device-worker';
import { edgeMetrics, inferMetrics, modelMetrics, tlsMetrics } from '@mserve/gateway';
import { busMetrics, channelMetrics, processMetrics, reloadMetrics, tensorMetrics } from '@mserve/ops';
import { dispatchMetrics, queueMetrics } from '@mserve/scheduler';

const page = join(dirname(fileURLToPath(import.meta.url)), '../docs/metrics.md');

/** What each process counts, by the name that stands in the markers of the page. */
const metricsOf = {
  process: [processMetrics, busMetrics, reloadMetrics],
  fleet: [tensorMetrics, channelMetrics],
  gateway: [edgeMetrics, inferMetrics, modelMetrics, tlsMetrics],
  scheduler: [dispatchMetrics, queueMetrics],
  'device-worker': [workerMetrics, runMetrics, methodMetrics, servingLogMetrics],
};

const declarations = (tables) => tables.flatMap((table) => Object.values(table)).sort((a, b) => (a.name < b.name ? -1 : 1));

const namesOf = (tables) => declarations(tables).map(({ name }) => name);

/** The names of all metrics. */
export const documentedMetrics = Object.values(metricsOf).flatMap(namesOf);

/** Of those, the ones that a server has which is one process. */
export const serverMetrics = Object.entries(metricsOf).flatMap(([name, tables]) => (name === 'fleet' ? [] : namesOf(tables)));

function row({ name, help, labels = [], buckets }) {
  const type = buckets !== undefined ? 'histogram' : name.endsWith('_total') ? 'counter' : 'gauge';
  return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label.name}\``).join(', ')} | ${help.replaceAll('|', '\\|')} |`;
}

/** A document with its tables as they should be: `<!-- metrics: NAME -->` up to `<!-- end -->`. */
export function withTables(document) {
  return document.replaceAll(/<!-- metrics: ([^>]+) -->\n[^]*?<!-- end -->/g, (_, name) => {
    const rows = declarations(metricsOf[name]).map(row);
    const table = ['| metric | type | labels | what |', '|---|---|---|---|', ...rows].join('\n');
    return `<!-- metrics: ${name} -->\n\n${table}\n\n<!-- end -->`;
  });
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  writeFileSync(page, withTables(readFileSync(page, 'utf8')));
