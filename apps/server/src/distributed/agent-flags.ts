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

/** How to log in at the bus; but for passwords and tokens. */
type LoginSetting =
  | 'natsUser'
  | 'natsCreds'
  | 'natsPasswordFile'
  | 'natsTokenFile'
  | 'natsNkey'
  | 'natsTlsCa'
  | 'natsTlsCertificate'
  | 'natsTlsPrivateKey'
  | 'insecureBus';

/** Settings that agents have from their supervisor. Passwords and tokens go by the environment, which agents inherit; a key of encrypted files goes by standard input. */
export type SharedSettings = Pick<
  SettingsOf<'agent'>,
  'bus' | 'subjectPrefix' | LoginSetting | 'logLevel' | 'provider' | 'cpuFallback' | 'deviceOptions' | 'onnxruntimeLibrary' | 'decMode'
>;

type AgentFlag = readonly [name: string, value: string | number | boolean | undefined];

function loginFlags(shared: SharedSettings): AgentFlag[] {
  return [
    ['--subject-prefix', shared.subjectPrefix],
    ['--nats-user', shared.natsUser],
    ['--nats-password-file', shared.natsPasswordFile],
    ['--nats-token-file', shared.natsTokenFile],
    ['--nats-creds', shared.natsCreds],
    ['--nats-nkey', shared.natsNkey],
    ['--nats-tls-ca', shared.natsTlsCa],
    ['--nats-tls-certificate', shared.natsTlsCertificate],
    ['--nats-tls-private-key', shared.natsTlsPrivateKey],
    ['--insecure-bus', shared.insecureBus ? true : undefined],
  ];
}

/** The flags of an agent process. */
export function agentFlags(start: AgentStart, shared: SharedSettings): string[] {
  const flags: AgentFlag[] = [
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
    ...(start.distributedAddress === undefined ? loginFlags(shared) : []),
    ['--log-level', shared.logLevel],
    ['--provider', shared.provider],
    ['--cpu-fallback', shared.cpuFallback],
    ['--device-options', shared.deviceOptions],
    ['--onnxruntime-library', shared.onnxruntimeLibrary],
    ['--dec-mode', shared.decMode],
  ];
  return flags.flatMap(([name, value]) => (value === undefined ? [] : value === true ? [name] : [name, String(value)]));
}
