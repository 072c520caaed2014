import { CommanderError } from 'commander';
import { takeSignals, WriteFailures } from '@mserve/app/signals';
import { ConfigError, OutputRequested } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import { CliError, Reported } from '../cli-error.js';
import { mserveProgram } from './program.js';

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof OutputRequested) return 0;
  if (error instanceof ConfigError) return error.problems.every(({ source }) => source === 'flag') ? 2 : ConfigError.exitCode;
  return 1;
}

const addressProblems: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process has it',
  EADDRNOTAVAIL: 'this machine does not have it',
  EACCES: 'permission denied',
  ENOTFOUND: 'there is no such host',
};

/** What means something else of a socket file; libuv calls a missing folder EACCES. */
const socketFileProblems: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process has it, or something that is no socket is there',
  EACCES: 'its folder is not there or may not be written',
};

/** Why an address could not be had: the ingress' texts, which are the original's, do not say it. */
function reasonOf(error: Error): string {
  const { cause } = error;
  if (!(cause instanceof Error)) return '';
  const { code = '' } = cause as NodeJS.ErrnoException;
  const address = error instanceof ServingError ? error.facts?.given : undefined;
  const reason = (address?.startsWith('unix:') === true ? socketFileProblems[code] : undefined) ?? addressProblems[code];
  return reason === undefined ? '' : ` (${reason})`;
}

function tell(error: unknown): void {
  if (error instanceof CommanderError || error instanceof Reported) return; // it is printed already
  if (error instanceof OutputRequested) return void process.stdout.write(`${error.message}\n`);
  if (error instanceof ConfigError) return error.problems.forEach(({ text }) => process.stderr.write(`mserve: ${text}\n`));
  // ServableConfigError by its name: its module would load half of the server
  const expected =
    error instanceof CliError || error instanceof ServingError || (error instanceof Error && error.name === 'ServableConfigError');
  process.stderr.write(
    `${expected ? `mserve: ${(error as Error).message}${reasonOf(error as Error)}` : `mserve: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`}\n`,
  );
}

/** The `mserve` command: does what this process' arguments say, then ends the process. */
export async function runCommand(): Promise<never> {
  // What grpc-js would print is in the errors that it gives
  process.env['GRPC_VERBOSITY'] ??= 'NONE';
  const writeFailures = new WriteFailures();
  writeFailures.watch(process.stdout, process.stderr);
  try {
    await mserveProgram({ takeSignals: () => takeSignals(process), writeFailures }).parseAsync();
    process.exit(0);
  } catch (error) {
    tell(error);
    process.exit(exitCodeOf(error));
  }
}
