import { accessSync, constants } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { filesOf } from '@mserve/agent';
import type { RankPlace } from '@mserve/device-worker';
import { ServingError } from '@mserve/wire';

/** The files of one rank. */
export interface FilesOfRank {
  readonly modelFiles: readonly string[];
  readonly groupConfigFiles: readonly string[];
}

/** The files of a rank from patterns with `{rank}`. */
export function rankFilesOf(modelFiles: string, groupConfigFiles: string | undefined, rank: number): FilesOfRank {
  return {
    modelFiles: filesOf(modelFiles, rank),
    groupConfigFiles: groupConfigFiles === undefined ? [] : filesOf(groupConfigFiles, rank),
  };
}

/** Throws ServingError NOT_FOUND that names the first rank whose files are not there. */
export function checkRankFiles(files: readonly FilesOfRank[], ranks: readonly number[], rankSize: number): void {
  files.forEach(({ modelFiles, groupConfigFiles }, index) => {
    const missing = modelFiles.find((file) => !isReadable(file));
    if (missing !== undefined)
      throw new ServingError(
        'NOT_FOUND',
        `missing rank: rank ${ranks[index]} of ${rankSize} has no model: Cannot access model file '${missing}'`,
      );
    const config = groupConfigFiles.find((file) => !isReadable(file));
    if (config !== undefined) throw new ServingError('NOT_FOUND', `Cannot access group config file '${config}' of rank ${ranks[index]}`);
  });
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Addresses of this machine. */
export function localAddresses(): Set<string> {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
  return new Set([...own, '127.0.0.1', '::1']);
}

/** Throws ServingError INVALID_ARGUMENT when a rank is to run on another machine. */
export function checkAllLocal(places: readonly RankPlace[]): void {
  const local = localAddresses();
  const far = places.find(({ ip }) => !local.has(ip) && !ip.startsWith('127.'));
  if (far === undefined) return;
  throw new ServingError(
    'INVALID_ARGUMENT',
    `rank ${far.rank} is on ${far.ip}, which is not this machine: use mserve distributed start here, and mserve distributed agents on each machine`,
  );
}
