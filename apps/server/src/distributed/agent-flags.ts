import { defaults, type SettingsOf } from '@mserve/config';
import type { FilesOfRank } from './rank-files.js';

/** What the agent of one rank is started with, beyond what it has from its supervisor's settings. */
export interface AgentStart extends FilesOfRank {
  /** NAME or NAME:VERSION. */
  readonly servable: string;
  readonly rank: number;
  readonly rankSize: number;
  readonly address: string;
  readonly port: number;
  readonly deviceId: number;
  /** Threads inside a run; undefined: one. */
  readonly intraOpThreads: number | undefined;
  /** Where the server takes agents; undefined: the bus of the settings. */
  readonly distributedAddress: string | undefined;
}

/** Settings that agents have from their supervisor. Passwords and tokens go by the environment, which agents inherit; a key of encrypted files goes by standard input. */
export type SharedSettings = Pick<
  SettingsOf<'agent'>,
  'bus' | 'subjectPrefix' | 'natsUser' | 'natsCreds' | 'logLevel' | 'provider' | 'onnxruntimeLibrary' | 'decMode'
>;

/** The flags of an agent process. */
export function agentFlags(start: AgentStart, shared: SharedSettings): string[] {
  const flags: [name: string, value: string | number | undefined][] = [
    ['--servables', start.servable],
    ['--rank', start.rank],
    ['--rank-size', start.rankSize],
    ['--model-files', start.modelFiles.join(',')],
    ['--group-config-files', start.groupConfigFiles.length === 0 ? undefined : start.groupConfigFiles.join(',')],
    ['--agent-address', start.address],
    ['--agent-port', start.port],
    ['--device-ids', start.deviceId],
    ['--intra-op-threads', start.intraOpThreads ?? 1],
    ['--distributed-address', start.distributedAddress],
    // Over a link no bus is joined; but a file or the environment may name one that only a server can have
    ['--bus', start.distributedAddress === undefined ? shared.bus : defaults.agent.bus],
    ['--subject-prefix', start.distributedAddress === undefined ? shared.subjectPrefix : undefined],
    ['--nats-user', start.distributedAddress === undefined ? shared.natsUser : undefined],
    ['--nats-creds', start.distributedAddress === undefined ? shared.natsCreds : undefined],
    ['--log-level', shared.logLevel],
    ['--provider', shared.provider],
    ['--onnxruntime-library', shared.onnxruntimeLibrary],
    ['--dec-mode', shared.decMode],
  ];
  return flags.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
}
