import { setTimeout as delay } from 'node:timers/promises';
import { filesOf } from '@mserve/agent';
import { connectFleetBus, type AppLog } from '@mserve/app';
import { agentSubjects, LinkBus, linkAddressOf, type AcquiredRanks, type ControlBus } from '@mserve/bus';
import { AcquiredRanksDto, encodeJson, parseControl } from '@mserve/bus/nest';
import { ConfigError, readKeyFile, type SettingsOf } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import { agentFlags } from './agent-flags.js';
import { AgentSupervisor, type SupervisedRank } from './agent-supervisor.js';
import { checkRankFiles, localAddresses, rankFilesOf, type FilesOfRank } from './rank-files.js';

/** How often the worker is asked, and how long it may take each time. */
const acquireTries = 60;
const acquireMs = 1_000;

/** Which ranks a start-up process starts, and of what. */
export interface LocalRanks {
  /** By place: `files[i]` are those of rank `ranks[i]`. Throws ServingError when they are not as many as ranks. */
  readonly files: (ranks: readonly number[]) => readonly FilesOfRank[];
  /** With `rankStart`: the ranks are those that the rank table has from there on at this address. Default: those at any address of this machine. */
  readonly agentIp?: string | undefined;
  readonly rankStart?: number | undefined;
  /** TCP port of the first agent; the next ones follow, one for each subgraph. 0: the system chooses. */
  readonly startPort: number;
  /** Of encrypted files. */
  readonly key?: Uint8Array | undefined;
}

/**
 * Asks the distributed worker which ranks there are, and starts the agents of those that run on this machine; each is started again when it ends.
 * Rejects with ServingError: UNAVAILABLE when no worker answers, INVALID_ARGUMENT when no rank runs here, NOT_FOUND for files that are missing.
 */
export async function startAgents(
  settings: SettingsOf<'agent'>,
  local: LocalRanks,
  log: AppLog,
  asked: AbortSignal,
): Promise<AgentSupervisor> {
  const acquired = await acquire(settings, log, asked);
  const ranks = ranksHere(acquired, local);
  const files = local.files(ranks.map(({ rank }) => rank));
  checkRankFiles(
    files,
    ranks.map(({ rank }) => rank),
    acquired.rankSize,
  );
  const supervised = ranks.map(({ rank, ip, deviceId }, index): SupervisedRank => {
    const { modelFiles, groupConfigFiles } = files[index] as FilesOfRank;
    const start = {
      servable: `${acquired.servable}:${acquired.version}`,
      rank,
      rankSize: acquired.rankSize,
      modelFiles,
      groupConfigFiles,
      address: ip,
      port: local.startPort === 0 ? 0 : local.startPort + index * modelFiles.length,
      deviceId,
      intraOpThreads: settings.intraOpThreads,
      distributedAddress: settings.distributedAddress,
    };
    return { rank, flags: agentFlags(start, settings), key: local.key };
  });
  return new AgentSupervisor(supervised, { log });
}

/** As {@link startAgents}, for the settings of `mserve distributed agents`: files by pattern. */
export function startLocalAgents(settings: SettingsOf<'agent'>, log: AppLog, asked: AbortSignal): Promise<AgentSupervisor> {
  const { modelFiles, groupConfigFiles, agentPort, agentAddress, rank } = settings;
  if (modelFiles === undefined) throw new ConfigError("--model-files must be given, for example 'model/rank_{rank}.mindir'");
  if ((agentAddress === undefined) !== (rank === undefined))
    throw new ConfigError(
      `Parameter 'agent_ip' and parameter 'rank_start' must have values at the same time, or both None at the same time. (--agent-address and --rank)`,
    );
  const files = (ranks: readonly number[]): FilesOfRank[] => ranks.map((one) => rankFilesOf(modelFiles, groupConfigFiles, one));
  const key = settings.decKeyFile === undefined ? undefined : readKeyFile(settings.decKeyFile);
  return startAgents(settings, { files, agentIp: agentAddress, rankStart: rank, startPort: agentPort ?? 7_000, key }, log, asked);
}

interface RankHere {
  readonly rank: number;
  readonly ip: string;
  readonly deviceId: number;
}

function ranksHere({ ranks }: AcquiredRanks, { agentIp, rankStart }: LocalRanks): RankHere[] {
  const addresses = localAddresses();
  const isHere = (ip: string): boolean => (agentIp === undefined ? addresses.has(ip) : ip === agentIp);
  const here = ranks.flatMap(({ ip, deviceId }, rank) => (isHere(ip) && rank >= (rankStart ?? 0) ? [{ rank, ip, deviceId }] : []));
  if (here.length > 0) return here;
  const all = [...new Set(ranks.map(({ ip }) => ip))].join(', ');
  throw new ServingError(
    'INVALID_ARGUMENT',
    `no rank runs here: the rank table names ${all}, this machine has ${[...addresses].join(', ')}`,
  );
}

async function acquire(settings: SettingsOf<'agent'>, log: AppLog, asked: AbortSignal): Promise<AcquiredRanks> {
  const { distributedAddress, servables } = settings;
  const servable = servables?.[0]?.split(':')[0];
  const bus: ControlBus =
    distributedAddress === undefined
      ? await connectFleetBus(settings, 'agent', log, asked)
      : new LinkBus(linkAddressOf(distributedAddress));
  try {
    let last: unknown;
    for (let attempt = 0; attempt < acquireTries && !asked.aborted; attempt++) {
      try {
        const body = encodeJson(servable === undefined ? {} : { servable });
        return parseControl(AcquiredRanksDto, await bus.request(undefined, agentSubjects.acquire, body, { timeoutMs: acquireMs }));
      } catch (thrown) {
        last = thrown;
        await delay(acquireMs, undefined, { signal: asked }).catch(() => undefined);
      }
    }
    throw new ServingError('UNAVAILABLE', `the distributed worker does not say which ranks there are: ${ServingError.from(last).message}`, {
      cause: last,
    });
  } finally {
    await bus.close();
  }
}

/** The files of ranks from lists with one entry for each of them: a path, or the paths of its subgraphs. Throws ServingError INVALID_ARGUMENT. */
export function listedFiles(
  modelFiles: readonly (string | readonly string[])[],
  groupConfigFiles: readonly (string | readonly string[])[] | undefined,
): (ranks: readonly number[]) => FilesOfRank[] {
  return (ranks) => {
    for (const [name, list] of [
      ['modelFiles', modelFiles],
      ['groupConfigFiles', groupConfigFiles ?? ranks],
    ] as const)
      if (list.length !== ranks.length)
        throw new ServingError('INVALID_ARGUMENT', `${name} has ${list.length} entries, but ${ranks.length} ranks run on this machine`);
    const paths = (entry: string | readonly string[] | undefined): readonly string[] =>
      typeof entry === 'string' ? filesOf(entry, 0) : (entry ?? []);
    return ranks.map((_, index) => ({ modelFiles: paths(modelFiles[index]), groupConfigFiles: paths(groupConfigFiles?.[index]) }));
  };
}
