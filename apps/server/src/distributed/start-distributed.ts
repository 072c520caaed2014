import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppLog } from '@mserve/app';
import { linkAddressOf, type Bus, type LinkAddress } from '@mserve/bus';
import { ConfigError, readKeyFile, type SettingsOf } from '@mserve/config';
import { readRankPlaces } from '@mserve/device-worker';
import { startSettledServer, type RunningServer, type ServerOptions } from '../server.js';
import { agentFlags } from './agent-flags.js';
import { listenForAgents, type AgentsPort } from './agents-port.js';
import { AgentSupervisor, type SupervisedRank } from './agent-supervisor.js';
import { checkAllLocal, checkRankFiles, rankFilesOf } from './rank-files.js';

/** Where agents are taken when nobody says otherwise. */
export const defaultDistributedAddress = '0.0.0.0:6200';

/** A server with the agents that it started. */
export interface DistributedServer extends RunningServer {
  /** Process ids of the agents, by rank; undefined while one is started again. Empty when others start them. */
  readonly agentPids: readonly (number | undefined)[];
}

type Options = Pick<ServerOptions, 'onProgress' | 'onWarning'> & { readonly log: AppLog };

/** The one servable of the settings. Throws ConfigError when there is none, or several. */
export function distributedServable({ servables, rankTable }: SettingsOf<'server'>): string {
  const [servable, ...others] = servables ?? [];
  if (servable === undefined || others.length > 0) throw new ConfigError('--servables must name the one distributed servable');
  if (rankTable === undefined) throw new ConfigError('--rank-table must be given: the JSON file that says where each rank runs');
  return servable;
}

/**
 * Serves a distributed servable with all its ranks on this machine: gateway, scheduler and distributed worker in this process, and an agent process for
 * each rank. Resolves when it can be called. Rejects with ServingError or ConfigError, with nothing left running: files that are missing, ranks that do not
 * make one model.
 */
export async function serveDistributed(settings: SettingsOf<'server'>, options: Options): Promise<DistributedServer> {
  const servable = distributedServable(settings);
  const { rankTable = '', modelFiles, groupConfigFiles } = settings;
  if (modelFiles === undefined) throw new ConfigError("--model-files must be given, for example 'model/rank_{rank}.mindir'");
  const places = readRankPlaces(rankTable);
  checkAllLocal(places);
  const files = places.map(({ rank }) => rankFilesOf(modelFiles, groupConfigFiles, rank));
  checkRankFiles(
    files,
    places.map(({ rank }) => rank),
    places.length,
  );
  const key = settings.decKeyFile === undefined ? undefined : readKeyFile(settings.decKeyFile);
  const folder = settings.bus === 'memory' ? await mkdtemp(join(tmpdir(), 'mserve-agents-')) : undefined;
  const link = folder === undefined ? undefined : { path: join(folder, 'agents.sock') };
  const ranks = places.map(({ rank, ip, deviceId }, index): SupervisedRank => {
    const start = {
      servable,
      rank,
      rankSize: places.length,
      modelFiles: files[index]?.modelFiles ?? [],
      groupConfigFiles: files[index]?.groupConfigFiles ?? [],
      address: ip,
      port: 0,
      deviceId,
      intraOpThreads: settings.intraOpThreads,
      distributedAddress: link === undefined ? undefined : `unix:${link.path}`,
    };
    return { rank, flags: agentFlags(start, settings), key };
  });
  // Who is asked to end before the server is ready ends at once
  const onExit = (): void => (folder === undefined ? undefined : rmSync(folder, { recursive: true, force: true }));
  process.once('exit', onExit);
  const removeFolder = (): void => {
    process.off('exit', onExit);
    onExit();
  };
  // The worker reads no model file
  const ofWorker = { ...settings, decKeyFile: undefined, decMode: undefined };
  return startWithAgents(ofWorker, options, link, () => new AgentSupervisor(ranks, { log: options.log })).then(
    ({ server, supervisor, end }) => withEnd(server, supervisor, () => end().then(removeFolder)),
    async (thrown: unknown) => {
      removeFolder();
      throw thrown;
    },
  );
}

/**
 * Serves a distributed servable whose agents are started elsewhere ({@link startupAgents}); they are taken at the setting `distributedAddress` (default
 * 0.0.0.0:6200) when the server has no bus that they can join. Resolves when all ranks stand ready. Rejects as {@link serveDistributed} does, and with DEADLINE_EXCEEDED when
 * agents are missing after `waitAgentsMs`.
 */
export async function serveForAgents(settings: SettingsOf<'server'>, options: Options): Promise<DistributedServer> {
  distributedServable(settings);
  const { bus, distributedAddress = bus === 'memory' ? defaultDistributedAddress : undefined } = settings;
  const link = distributedAddress === undefined ? undefined : linkAddressOf(distributedAddress);
  const { server, supervisor, end } = await startWithAgents(settings, options, link, () => undefined);
  return withEnd(server, supervisor, end);
}

interface Started {
  readonly server: RunningServer;
  readonly supervisor: AgentSupervisor | undefined;
  /** Ends agents and links. */
  readonly end: () => Promise<void>;
}

async function startWithAgents(
  settings: SettingsOf<'server'>,
  options: Options,
  link: LinkAddress | undefined,
  startAgents: () => AgentSupervisor | undefined,
): Promise<Started> {
  let port: AgentsPort | undefined;
  let supervisor: AgentSupervisor | undefined;
  const end = async (): Promise<void> => {
    await supervisor?.close();
    await port?.close();
  };
  const onConnected = async (join: ((role: string) => Bus) | undefined): Promise<void> => {
    if (link !== undefined) {
      if (join === undefined) throw new ConfigError('--distributed-address is for a server without a bus of its own (--bus memory)');
      port = await listenForAgents(link, join, options.log);
    }
    supervisor = startAgents();
  };
  try {
    let onUnfit: (error: Error) => void = () => undefined;
    const unfit = new Promise<never>((_, reject) => (onUnfit = reject));
    const starting = startSettledServer(settings, {
      ...options,
      onConnected: async (join) => {
        await onConnected(join);
        void supervisor?.unfit.then(onUnfit);
      },
    });
    // Without this rank it would never be ready
    const server = await Promise.race([starting, unfit]).catch((thrown: unknown) => {
      starting.then(
        (late) => late.close(0),
        () => undefined,
      );
      throw thrown;
    });
    return { server, supervisor, end };
  } catch (thrown) {
    await end();
    throw thrown;
  }
}

function withEnd(server: RunningServer, supervisor: AgentSupervisor | undefined, end: () => Promise<void>): DistributedServer {
  return {
    ...server,
    get agentPids() {
      return supervisor?.pids ?? [];
    },
    close: (graceMs?: number) => server.close(graceMs).finally(end),
  };
}
