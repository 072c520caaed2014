import { silentLog, type AppLog } from '@mserve/app';
import { linkAddressOf } from '@mserve/bus';
import { settingsOfOptions, type SettingsOf } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import { checkDecMode, checkInteger, checkKey, checkString, checkStrings, ServableStartConfig } from '../start-config.js';
import { startServablesOn, type ServablesServer, type ServablesServerOptions } from '../start-servables.js';
import { listenForAgents } from './agents-port.js';
import type { AgentSupervisor } from './agent-supervisor.js';
import { defaultDistributedAddress } from './start-distributed.js';
import { listedFiles, startAgents } from './startup-agents.js';

/** The agents of this machine, until they are closed. */
export interface RunningAgents {
  /** Process ids, in the order of the ranks; undefined while one is started again. */
  readonly pids: readonly (number | undefined)[];
  /** Ends them. Resolves when all have ended. */
  close(): Promise<void>;
}

const defaultPort = 7_000;

/**
 * Starts a distributed servable in this process and waits for the agents of all its ranks ({@link startupAgents}), which connect to `distributedAddress`.
 * Ports are opened by the server's methods, as after startServables. Rejects with ServingError, with nothing left running: INVALID_ARGUMENT for parameters,
 * a rank table or ranks that do not fit, DEADLINE_EXCEEDED inside of UNAVAILABLE when agents are missing after `waitAgentsTimeInSeconds` (0 = wait without end).
 */
async function startServable(
  servableDirectory: string,
  servableName: string,
  rankTableJsonFile: string,
  versionNumber = 1,
  distributedAddress = defaultDistributedAddress,
  waitAgentsTimeInSeconds = 0,
  options: ServablesServerOptions = {},
): Promise<ServablesServer> {
  const config = new ServableStartConfig({ servableDirectory, servableName, versionNumber });
  checkString('rankTableJsonFile', rankTableJsonFile);
  checkString('distributedAddress', distributedAddress);
  const waitAgentsMs = 1_000 * checkInteger('waitAgentsTimeInSeconds', waitAgentsTimeInSeconds, 0, 86_400);
  return startServablesOn(config, { ...options, rankTable: rankTableJsonFile, waitAgentsMs }, async (join) => {
    if (join === undefined) return undefined;
    const port = await listenForAgents(linkAddressOf(distributedAddress), join, silentLog);
    return () => port.close();
  });
}

/** One entry per agent: a path, or the paths of its subgraphs. Throws ServingError INVALID_ARGUMENT. */
function checkFiles(name: string, value: unknown): readonly (string | readonly string[])[] {
  if (!Array.isArray(value)) return checkStrings(name, value);
  return value.map((item: unknown) => (Array.isArray(item) ? checkStrings(name, item) : (checkStrings(name, [item])[0] ?? '')));
}

/**
 * Starts the agents of the ranks that run on this machine, each as a process that is started again when it ends: those whose address in the rank table is one of this machine, or
 * with `agentIp` and `rankStart` those at that address from that rank on. `modelFiles` and `groupConfigFiles` have one entry per agent: a path, or the paths of its subgraphs (a single path: one agent).
 * Resolves when they are started; whether their files fit is told by the server. Rejects with ServingError: INVALID_ARGUMENT for parameters, NOT_FOUND for files that
 * are not there, UNAVAILABLE when nobody answers at `distributedAddress` for a minute.
 * @param agentStartPort port of the first agent; the others have the next ones; 0 = any free ones
 * @param decKey 16, 24 or 32 bytes, for encrypted files
 */
async function startupAgents(
  distributedAddress: string,
  modelFiles: string | readonly (string | readonly string[])[],
  groupConfigFiles?: string | readonly (string | readonly string[])[],
  agentStartPort = defaultPort,
  agentIp?: string,
  rankStart?: number,
  decKey?: Uint8Array,
  decMode: 'AES-GCM' | 'AES-CBC' = 'AES-GCM',
  log: AppLog = silentLog,
): Promise<RunningAgents> {
  checkString('distributedAddress', distributedAddress);
  const models = checkFiles('modelFiles', modelFiles);
  const configs = groupConfigFiles === undefined ? undefined : checkFiles('groupConfigFiles', groupConfigFiles);
  checkInteger('agentStartPort', agentStartPort, 0, 65_535);
  if ((agentIp === undefined) !== (rankStart === undefined))
    throw new ServingError(
      'INVALID_ARGUMENT',
      `Parameter 'agentIp' and parameter 'rankStart' must have values at the same time, or both undefined at the same time.`,
    );
  if (agentIp !== undefined) checkString('agentIp', agentIp);
  if (rankStart !== undefined) checkInteger('rankStart', rankStart, 0);
  checkKey(decKey);
  const mode = checkDecMode(decMode);
  const { settings } = await settingsOfOptions('agent', { distributedAddress, logLevel: 'warn' });
  const chosen: SettingsOf<'agent'> = decKey === undefined ? settings : { ...settings, decMode: mode };
  const files = listedFiles(models, configs);
  const local = { files, agentIp, rankStart, startPort: agentStartPort, key: decKey };
  const agents: AgentSupervisor = await startAgents(chosen, local, log, new AbortController().signal);
  return agents;
}

/** Distributed servables by a program, with the calls of MindSpore Serving's `distributed` module. */
export const distributed = Object.freeze({ startServable, startupAgents });
