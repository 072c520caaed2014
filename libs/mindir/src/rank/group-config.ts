import { MindirError } from '../mindir-error.js';
import { DecodeBudget, FieldReader, readingFile } from '../proto/field-reader.js';

/** What MindSpore writes beside a rank's model (`group_config_R.pb`): protobuf, package mindspore.straspb, message ParallelGroupMap. */
export interface GroupConfig {
  /** Ranks by the name of the group. */
  readonly groups: ReadonlyMap<string, readonly number[]>;
  /** Ranks that may load this rank's weights. Contains the own rank; empty where MindSpore knew nothing. */
  readonly restoreRanks: readonly number[];
}

const maxObjects = 4_000_000;

/** Reads a group configuration. Throws MindirError 'format' for bytes that are none. */
export function decodeGroupConfig(bytes: Uint8Array): GroupConfig {
  return readingFile(() => {
    const groups = new Map<string, readonly number[]>();
    let restoreRanks: number[] | undefined;
    for (const reader = FieldReader.over(bytes, new DecodeBudget(maxObjects)); reader.next();) {
      if (reader.field === 1) {
        const { name, ranks } = readGroup(reader.message());
        if (groups.has(name)) throw new MindirError('format', `the group '${name}' comes twice`);
        groups.set(name, ranks);
      } else if (reader.field === 2) restoreRanks = readRanks(reader.message());
      else reader.skip();
    }
    if (restoreRanks === undefined) throw new MindirError('format', 'ckpt_restore_rank_list is missing: this is no group configuration');
    return { groups, restoreRanks };
  });
}

function readGroup(reader: FieldReader): { name: string; ranks: number[] } {
  let name: string | undefined;
  let ranks: number[] = [];
  while (reader.next()) {
    if (reader.field === 1) name = reader.text();
    else if (reader.field === 2) ranks = readRanks(reader.message());
    else reader.skip();
  }
  if (name === undefined) throw new MindirError('format', 'a group has no name');
  return { name, ranks };
}

function readRanks(reader: FieldReader): number[] {
  const ranks: number[] = [];
  while (reader.next()) {
    if (reader.field === 1) reader.integersInto(ranks);
    else reader.skip();
  }
  return ranks;
}
