import { ConfigError, parseServableChoice, readKeyFile, type SettingsOf } from '@mserve/config';
import { deviceOfReplica, libraryAt, type RankOptions } from '@mserve/native';
import type { AgentOptions } from '../agent-options.js';

/** What an agent takes from its settings. */
export type AgentSettings = Omit<AgentOptions, 'loadRank' | 'log'>;

/** The settings of an agent as its options. Throws ConfigError for a rank that is not described, and for a key file that cannot be read or holds no key. */
export function agentOptionsOf(settings: SettingsOf<'agent'>): AgentSettings {
  const { servables, rank, rankSize, modelFiles, groupConfigFiles, agentAddress, agentPort, decKeyFile, decMode } = settings;
  if (servables?.length !== 1) throw new ConfigError('--servables must name the one servable that the agent is for');
  if (rank === undefined || rankSize === undefined) throw new ConfigError('--rank and --rank-size must be given');
  if (rank >= rankSize) throw new ConfigError(`--rank must be less than --rank-size, which is ${rankSize}, but is ${rank}`);
  if (modelFiles === undefined) throw new ConfigError('--model-files must be given');
  const [chosen = ''] = servables;
  const { name = chosen, version = 0 } = parseServableChoice(chosen) ?? {};
  const key = decKeyFile === undefined ? undefined : readKeyFile(decKeyFile);
  return {
    servable: name,
    version,
    rank,
    rankSize,
    modelFiles: filesOf(modelFiles, rank),
    groupConfigFiles: groupConfigFiles === undefined ? [] : filesOf(groupConfigFiles, rank),
    ...(key !== undefined && { decryption: { key, mode: decMode } }),
    address: agentAddress,
    port: agentPort,
    session: sessionOf(settings),
  };
}

/** `a_{rank}.mindir,b_{rank}.mindir` for a rank. */
export function filesOf(pattern: string, rank: number): string[] {
  return pattern
    .split(',')
    .map((file) => file.trim().replaceAll('{rank}', String(rank)))
    .filter((file) => file !== '');
}

function sessionOf(settings: SettingsOf<'agent'>): NonNullable<RankOptions['session']> {
  const { provider, deviceIds, intraOpThreads, onnxruntimeLibrary } = settings;
  // 'auto' is the CPU: which device a rank has, its rank table says
  const device = deviceOfReplica(provider === 'auto' ? 'cpu' : provider, deviceIds[0] ?? 0, settings);
  const libraryPath = onnxruntimeLibrary === undefined ? undefined : libraryAt(onnxruntimeLibrary);
  return { device, ...(intraOpThreads !== undefined && { intraOpThreads }), ...(libraryPath !== undefined && { libraryPath }) };
}
