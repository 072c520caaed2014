import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import type { ModelKey } from '../model-file.js';
import { CliError } from './cli-error.js';
import { readKey, type KeyFlags } from './key.js';
import { fileProblem } from './text.js';
import type { BusLogin, RunningServer, ServableChoice, ServerOptions } from '../server.js';

export interface ServeFlags extends KeyFlags {
  readonly servable?: readonly ServableChoice[];
  readonly deviceIds: readonly number[];
  readonly rest: string;
  readonly grpc: string;
  readonly maxMsgMb: number;
  readonly bus: string;
  readonly workers: number;
  readonly intraOpThreads?: number;
  readonly legacyStatus200: boolean;
  readonly docs?: boolean;
  readonly graceMs: number;
  readonly json: boolean;
}

/** What the original's REST takes at most. */
export const maxVersion = 4_294_967_294;

/** `NAME` or `NAME:VERSION`. */
export function parseServableChoice(text: string): ServableChoice {
  const match = /^([^:]+)(?::(\d+))?$/.exec(text);
  if (!match) throw new InvalidArgumentError('NAME or NAME:VERSION is expected.');
  const version = match[2] === undefined ? 0 : Number(match[2]);
  if (version > maxVersion) throw new InvalidArgumentError(`NAME or NAME:VERSION is expected, the version up to ${maxVersion}.`);
  return { name: match[1] as string, version };
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

function keyOf(flags: ServeFlags): ModelKey | undefined {
  const key = readKey(flags);
  if (key !== undefined && flags.servable === undefined)
    throw new CliError('--dec-key-file needs --servable: the servables that the key is for', 2);
  return key;
}

/** From the environment, under the names that the apps of a fleet know: passwords have no place on a command line. */
function busLogin(env: NodeJS.ProcessEnv): BusLogin {
  const creds = env['MSERVE_NATS_CREDS'];
  try {
    return {
      user: env['MSERVE_NATS_USER'],
      password: env['MSERVE_NATS_PASSWORD'],
      token: env['MSERVE_NATS_TOKEN'],
      credentials: creds === undefined ? undefined : readFileSync(creds, 'utf8'),
    };
  } catch (error) {
    throw new CliError(`cannot read MSERVE_NATS_CREDS ${creds}: ${fileProblem(error)}`, 78);
  }
}

export function serveOptions(directory: string, flags: ServeFlags): ServerOptions {
  return {
    directory,
    servables: flags.servable,
    deviceIds: flags.deviceIds,
    rest: flags.rest,
    grpc: flags.grpc,
    maxMessageBytes: flags.maxMsgMb * 2 ** 20,
    bus: flags.bus,
    busLogin: flags.bus === 'memory' ? undefined : busLogin(process.env),
    numParallelWorkers: flags.workers,
    intraOpThreads: flags.intraOpThreads,
    legacyStatus200: flags.legacyStatus200,
    docs: flags.docs,
    key: keyOf(flags),
    onProgress: toStderr,
    onWarning: toStderr,
  };
}

export function readyText(server: RunningServer): string {
  const rows = server.servables.map((servable) => `  ${servable.servable} version ${servable.version}: ${servable.methods.join(', ')}`);
  const failed =
    server.failed.length === 0 ? [] : [`  not served, for the reason above: ${server.failed.map(({ servable }) => servable).join(', ')}`];
  return [
    '',
    'mserve is ready.',
    ...rows,
    ...failed,
    '',
    `  REST  http://${server.rest}`,
    `  gRPC  ${server.grpc}`,
    `  docs  ${server.docs ?? 'switched off: REST is not on loopback (--docs switches them on)'}`,
    '',
    'Ctrl+C stops the server.',
  ].join('\n');
}
