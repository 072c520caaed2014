import type { Bus } from '../bus.js';
import type { ProcessReport } from './reports.js';

/**
 * Control messages between the distributed worker of a servable and its agents, one per rank. An agent says hello; the worker that hears it asks
 * what the agent has (`agent.describe`), takes it (`agent.load`), and keeps its lease by asking for its status. An agent serves one worker at a time; it keeps its
 * model when the worker is gone.
 */

/** What control messages need of a bus. */
export type ControlBus = Pick<Bus, 'address' | 'state' | 'onState' | 'request' | 'respond' | 'broadcast' | 'listen' | 'close'>;

/** Topic `agents.hello`, every 250 ms and at every change. */
export interface AgentHello {
  readonly address: string;
  /** Start time in ms since 1970. */
  readonly epoch: number;
  readonly servable: string;
  /** 0: the version does not matter. */
  readonly version: number;
  readonly rank: number;
  /** Counts up at every change of its state. */
  readonly revision: number;
  readonly leaving: boolean;
  /** For people who look at the fleet. */
  readonly process?: ProcessReport | undefined;
}

/**
 * reading: its files are read · read: it can be described · loading: sessions are opened · loaded: it can be formed and run · failed: its files cannot
 * be used, or not be loaded.
 */
export type AgentState = 'reading' | 'read' | 'loading' | 'loaded' | 'failed';

/** Answer to `agent.describe` (JSON, of any size). Body `{}`. Its state, and what it holds as soon as that is read. */
export interface AgentDescription {
  readonly servable: string;
  readonly rank: number;
  readonly rankSize: number;
  readonly revision: number;
  readonly state: AgentState;
  /** Of state failed. */
  readonly problem?: string | undefined;
  /** In the order of the subgraphs; to be checked by who reads them. */
  readonly subgraphs: readonly unknown[];
}

/** The worker that asks. */
export interface WorkerClaim {
  /** Bus address. */
  readonly worker: string;
  /** Milliseconds without a message of this worker after which the agent is free again. */
  readonly leaseMs: number;
}

/** Where a rank is found by its peers, as libs/native says. */
export interface Endpoint {
  readonly host: string;
  readonly address: string;
  readonly port: number;
}

/** Answer to `agent.load`, `agent.form`, `agent.abort` and `agent.status`. */
export interface AgentStatus {
  readonly state: AgentState;
  readonly problem?: string | undefined;
  /** Of the mesh that stands; 0 = none. */
  readonly epoch: number;
  /** By subgraph; [] until loaded. */
  readonly endpoints: readonly Endpoint[];
}

/** The ranks that exchange tensors for a subgraph. */
export interface Mesh {
  /** By rank. */
  readonly endpoints: readonly Endpoint[];
}

/** Request `agent.form`: build the mesh of an epoch, for each subgraph. Answered when it stands. */
export interface FormAgent extends WorkerClaim {
  readonly epoch: number;
  readonly token: string;
  /** By subgraph. */
  readonly meshes: readonly Mesh[];
  readonly deadlineMs: number;
}

/** Request `agent.abort`: end what runs, and leave the mesh. */
export interface AbortAgent extends WorkerClaim {
  readonly reason: string;
}

/** Request `distributed.acquire` to a worker: what start-up processes of agents have to know. */
export interface AcquireRanks {
  /** Default: the only distributed servable of the worker. */
  readonly servable?: string | undefined;
}

/** Answer to `distributed.acquire`. */
export interface AcquiredRanks {
  readonly servable: string;
  readonly version: number;
  readonly rankSize: number;
  readonly stageSize: number;
  /** By rank. */
  readonly ranks: readonly { readonly ip: string; readonly deviceId: number }[];
  /** The text of the rank table, as agents of MindSpore Serving want it. */
  readonly rankTable: string;
  readonly withBatchDim: boolean;
  /** Positions of inputs. */
  readonly withoutBatchDimInputs: readonly number[];
  /** How many inputs and outputs the stages of the servable's methods give and take; undefined: no method says. */
  readonly inputCount?: number | undefined;
  readonly outputCount?: number | undefined;
}

/** Names of the topics of agents. */
export const agentTopics = { hello: 'agents.hello' } as const;
/** Names of the subjects of agents and of their workers. */
export const agentSubjects = {
  describe: 'agent.describe',
  load: 'agent.load',
  form: 'agent.form',
  predict: 'agent.predict',
  abort: 'agent.abort',
  status: 'agent.status',
  release: 'agent.release',
  acquire: 'distributed.acquire',
} as const;
