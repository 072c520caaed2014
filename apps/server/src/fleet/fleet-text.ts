import { age } from '@mserve/ops';
import type { ProcessStatus } from './fleet.js';

function stateOf({ state, ready, crashLoop }: ProcessStatus): string {
  if (crashLoop) return 'crash loop';
  if (state !== 'running') return state;
  if (ready === undefined) return 'no answer';
  return ready ? 'ready' : 'not ready';
}

/** What `mserve fleet status` prints for people. */
export function statusText(processes: readonly ProcessStatus[]): string {
  const rows = processes.map((one) => [
    one.name,
    one.pid === undefined ? '–' : String(one.pid),
    stateOf(one),
    one.upMs === undefined ? '–' : age(0, one.upMs),
    String(one.restarts),
    one.ops ?? '–',
  ]);
  const table = [['PROCESS', 'PID', 'STATE', 'UP', 'RESTARTS', 'OPS'], ...rows];
  const widths = (table[0] ?? []).map((_, at) => Math.max(...table.map((row) => row[at]?.length ?? 0)));
  return table
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
