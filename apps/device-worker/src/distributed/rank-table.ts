import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { ServingError } from '@mserve/wire';

/** Where a rank runs. */
export interface RankPlace {
  readonly rank: number;
  /** IP address of its machine. */
  readonly ip: string;
  /** Number of its device there. */
  readonly deviceId: number;
}

/** What a rank table has to fit. */
export interface RankTableRules {
  readonly rankSize: number;
  readonly stageSize: number;
  /** Devices are Ascend cards: eight in a machine, which a stage fills. */
  readonly isAscend: boolean;
}

/** A rank table that fits. */
export interface RankTable {
  /** By rank. */
  readonly places: readonly RankPlace[];
  /** As it stands in the file. */
  readonly text: string;
}

const maxBytes = 16 * 1024 * 1024;
const cardsPerMachine = 8;

/**
 * Reads the JSON file that says on which machine and device each rank runs, in one of the two forms of the original: `server_list` with the devices of each
 * server, or `group_list` with instances. Throws ServingError INVALID_ARGUMENT that names the file and what is wrong.
 */
export function readRankTable(file: string, rules: RankTableRules): RankTable {
  const text = readTable(file);
  return { text, places: parseRankTable(text, file, rules) };
}

/** The places that a rank table names, by rank, whatever model they are for. Throws as {@link readRankTable} does. */
export function readRankPlaces(file: string): RankPlace[] {
  return new TableReader(file).places(readTable(file));
}

function readTable(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    throw new ServingError('INVALID_ARGUMENT', `Cannot access rank table file '${file}': ${code ?? (thrown as Error).message}`, {
      cause: thrown,
    });
  }
  return text;
}

/** As {@link readRankTable}, for the text of a file that is named `file` in error texts. */
export function parseRankTable(text: string, file: string, rules: RankTableRules): RankPlace[] {
  const places = new TableReader(file).places(text);
  const { rankSize, stageSize, isAscend } = rules;
  if (places.length !== rankSize)
    refuse(`Rank size ${places.length} declared in rank table file '${file}' not equal to ${rankSize} declared in servable config`);
  const used = new Set<string>();
  for (const { ip, deviceId, rank } of places) {
    const key = `${ip} ${deviceId}`;
    if (used.has(key)) refuse(`rank table file '${file}': device ${deviceId} of ${ip} has two ranks, the second one is rank ${rank}`);
    used.add(key);
  }
  if (isAscend) checkAscend(places, file, rankSize, stageSize);
  return places;
}

function checkAscend(places: readonly RankPlace[], file: string, rankSize: number, stageSize: number): void {
  const beyond = places.find(({ deviceId }) => deviceId >= cardsPerMachine);
  if (beyond !== undefined)
    refuse(`rank table file '${file}': device id ${beyond.deviceId} of rank ${beyond.rank} is not below ${cardsPerMachine}`);
  if (stageSize === 1) return;
  const inStage = rankSize / stageSize;
  if (inStage % cardsPerMachine !== 0)
    refuse(
      `Rank size ${rankSize} and stage size ${stageSize} leave ${inStage} ranks in a stage: on Ascend they have to be a multiple of ${cardsPerMachine}`,
    );
  for (const { rank, ip, deviceId } of places) {
    const first = places[rank - (rank % cardsPerMachine)];
    if (ip !== first?.ip || deviceId !== rank % cardsPerMachine)
      refuse(
        `rank table file '${file}': with several stages, each ${cardsPerMachine} ranks are on one machine, with the device ids 0 to ${cardsPerMachine - 1} in their order; rank ${rank} is on device ${deviceId} of ${ip}`,
      );
  }
}

/** Takes the parsed JSON apart; what is not as it should be is refused with its place. */
class TableReader {
  constructor(private readonly file: string) {}

  places(text: string): RankPlace[] {
    const table = this.parsed(text);
    const places = 'group_list' in table ? this.ofGroups(table['group_list']) : this.ofServers(table['server_list']);
    if (places.length === 0 || places.some(({ rank }, index) => rank !== index)) refuse(`device size not match rank_id in ${this.file}`);
    return places;
  }

  private parsed(text: string): Record<string, unknown> {
    if (text.length > maxBytes) this.wrong('', `it is larger than ${maxBytes} bytes`);
    try {
      return this.object(JSON.parse(text) as unknown, 'the file');
    } catch (thrown) {
      if (thrown instanceof SyntaxError) this.wrong('', 'it is not JSON');
      throw thrown;
    }
  }

  private ofServers(servers: unknown): RankPlace[] {
    return this.list(servers, 'server_list').flatMap((entry, s) => {
      const server = this.object(entry, `server_list[${s}]`);
      const ip = this.ip(server['server_id'], `server_list[${s}].server_id`);
      return this.list(server['device'], `server_list[${s}].device`).map((one, d) => {
        const where = `server_list[${s}].device[${d}]`;
        const device = this.object(one, where);
        return {
          ip,
          rank: this.number(device['rank_id'], `${where}.rank_id`),
          deviceId: this.number(device['device_id'], `${where}.device_id`),
        };
      });
    });
  }

  private ofGroups(groups: unknown): RankPlace[] {
    return this.list(groups, 'group_list').flatMap((entry, g) => {
      const group = this.object(entry, `group_list[${g}]`);
      return this.list(group['instance_list'], `group_list[${g}].instance_list`).map((one, i) => {
        const where = `group_list[${g}].instance_list[${i}]`;
        const instance = this.object(one, where);
        const devices = this.list(instance['devices'], `${where}.devices`);
        if (devices.length !== 1) this.wrong(`${where}.devices`, 'one device is expected');
        const device = this.object(devices[0], `${where}.devices[0]`);
        return {
          ip: this.ip(instance['server_id'], `${where}.server_id`),
          rank: this.number(instance['rank_id'], `${where}.rank_id`),
          deviceId: this.number(device['device_id'], `${where}.devices[0].device_id`),
        };
      });
    });
  }

  private wrong(where: string, what: string): never {
    return refuse(`rank table file '${this.file}'${where === '' ? '' : `, ${where}`}: ${what}`);
  }

  private object(value: unknown, where: string): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.wrong(where, 'an object is expected');
    return value as Record<string, unknown>;
  }

  private list(value: unknown, where: string): readonly unknown[] {
    if (!Array.isArray(value)) this.wrong(where, 'a list is expected');
    return value as readonly unknown[];
  }

  private ip(value: unknown, where: string): string {
    if (typeof value !== 'string' || isIP(value) === 0) this.wrong(where, 'an IP address is expected');
    return value as string;
  }

  /** A decimal string, as the original has it, or a number. */
  private number(value: unknown, where: string): number {
    const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0)
      this.wrong(where, 'a whole number in decimal digits is expected');
    return number as number;
  }
}

function refuse(text: string): never {
  throw new ServingError('INVALID_ARGUMENT', text);
}
