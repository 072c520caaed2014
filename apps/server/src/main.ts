import { CommanderError } from 'commander';
import { ServingError } from '@mserve/wire';
import { CliError, Reported } from './cli/cli-error.js';
import { mserveProgram } from './cli/program.js';

/** Resolves at the first SIGINT or SIGTERM; the second one ends the process at once. */
function listenForSignals(): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        signals += 1;
        if (signals > 1) process.exit(1);
        resolve();
      });
    }
  });
}

let asked: Promise<void> | undefined;
const foreground = {
  get asked(): Promise<void> {
    return (asked ??= listenForSignals());
  },
};

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof CliError) return error.exitCode;
  return 1;
}

function tell(error: unknown): void {
  if (error instanceof CommanderError || error instanceof Reported) return; // it is printed already
  // ConfigError by its name: its module would load half of the server
  const expected = error instanceof CliError || error instanceof ServingError || (error instanceof Error && error.name === 'ConfigError');
  process.stderr.write(`${expected ? `mserve: ${(error as Error).message}` : `mserve: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`}\n`);
}

try {
  await mserveProgram(foreground).parseAsync();
  process.exit(0);
} catch (error) {
  tell(error);
  process.exit(exitCodeOf(error));
}
