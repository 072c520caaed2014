import { InvalidArgumentError } from 'commander';
import { readKey, type KeyFlags } from './key.js';
import type { RunningServer, ServableChoice, ServerOptions } from '../server.js';

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
  readonly graceMs: number;
  readonly json: boolean;
}

/** `NAME` or `NAME:VERSION`. */
export function parseServableChoice(text: string): ServableChoice {
  const match = /^([^:]+)(?::(\d+))?$/.exec(text);
  if (!match) throw new InvalidArgumentError('NAME or NAME:VERSION is expected.');
  return { name: match[1] as string, version: match[2] === undefined ? 0 : Number(match[2]) };
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
    numParallelWorkers: flags.workers,
    intraOpThreads: flags.intraOpThreads,
    legacyStatus200: flags.legacyStatus200,
    key: readKey(flags),
    onProgress: (line) => process.stderr.write(`${line}\n`),
  };
}

export function readyText(server: RunningServer): string {
  const rows = server.servables.map((servable) => `  ${servable.servable} version ${servable.version}: ${servable.methods.join(', ')}`);
  return ['', 'mserve is ready.', ...rows, '', `  REST  http://${server.rest}`, `  gRPC  ${server.grpc}`, `  docs  http://${server.rest}/docs`, '', 'Ctrl+C stops the server.'].join('\n');
}
