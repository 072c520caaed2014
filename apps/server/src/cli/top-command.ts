import { defaultOpsAddress } from '@mserve/ops';
import type { Command } from 'commander';
import type { Foreground } from './foreground.js';
import { serverAddress } from './option-values.js';

interface TopFlags {
  readonly ops: string;
  readonly once: boolean;
  readonly json: boolean;
}

const clear = '\u001b[H\u001b[J';
const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';

async function top({ ops, once, json }: TopFlags, foreground: Foreground): Promise<void> {
  const { fetchState, StateStream } = await import('../top/state-stream.js');
  const { frameOf } = await import('../top/frame.js');
  const first = await fetchState(ops);
  if (json) return void process.stdout.write(`${JSON.stringify(first)}\n`);
  const { stdout, stdin } = process;
  const isColored = stdout.isTTY && process.env['NO_COLOR'] === undefined;
  if (once || !stdout.isTTY) {
    const lines = frameOf(first, { address: ops, columns: stdout.columns ?? 120, rows: Infinity, isColored, isConnected: true });
    return void stdout.write(`${lines.join('\n')}\n`);
  }
  const { toEnd } = foreground.takeSignals();
  await new Promise<void>((resolve) => {
    const draw = (): void => {
      const { columns, rows } = stdout;
      const lines = frameOf(stream.state, { address: ops, columns, rows, isColored, isConnected: stream.isConnected });
      stdout.write(`${clear}${lines.join('\r\n')}`);
    };
    const onKey = (key: Buffer): void => {
      // In raw mode Ctrl+C is a key
      if (key.includes('q') || key.includes(3)) end();
    };
    const end = (): void => {
      stream.close();
      stdout.off('resize', draw);
      stdin.off('data', onKey);
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.pause();
      stdout.write(leave);
      resolve();
    };
    stdout.write(enter);
    const stream = new StateStream(ops, first, draw);
    draw();
    stdout.on('resize', draw);
    if (stdin.isTTY) stdin.setRawMode(true);
    stdin.on('data', onKey);
    if (toEnd.aborted) end();
    else toEnd.addEventListener('abort', end, { once: true });
  });
}

/** `mserve top`. */
export function addTop(program: Command, foreground: Foreground): void {
  program
    .command('top')
    .description('show what a running server or fleet does, live; q ends it')
    .option('--ops <host:port>', 'operations port of a gateway or of mserve serve', serverAddress, defaultOpsAddress)
    .option('--once', 'print everything once, as happens when the output is no terminal', false)
    .option('--json', 'print the state as one line of JSON', false)
    .action((flags: TopFlags) => top(flags, foreground));
}
