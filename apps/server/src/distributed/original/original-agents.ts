import type { Socket } from 'node:net';
import {
  credentials,
  Server,
  ServerCredentials,
  status,
  type ConnectionInjector,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import type { AppLog } from '@mserve/app';
import { agentSubjects, type AcquiredRanks, type Bus } from '@mserve/bus';
import { AcquiredRanksDto, encodeJson, parseControl } from '@mserve/bus/nest';
import { ServingError } from '@mserve/wire';
import { OriginalAgent } from './original-agent.js';
import { channelOptions, loadOriginalServices, type AgentExitRequest, type AgentRegisterRequest } from './original-protocol.js';

/** What the distributed address needs to take agents of MindSpore Serving. */
export interface OriginalAgentsOptions {
  /** Makes a participant of the worker's bus. */
  readonly join: () => Bus;
  /** Of the worker, as agents are told. */
  readonly address: string;
  readonly log: AppLog;
}

const acquireMs = 1_000;

/** MSDistributedWorker of MindSpore Serving, for agents of it: each that registers becomes a participant of the bus ({@link OriginalAgent}). */
export class OriginalAgents {
  private readonly services = loadOriginalServices();
  private readonly server = new Server(channelOptions);
  private readonly injector: ConnectionInjector;
  private readonly bus: Bus;
  /** By rank. */
  private readonly agents = new Map<number, OriginalAgent>();

  constructor(private readonly options: OriginalAgentsOptions) {
    this.bus = options.join();
    this.server.addService(this.services.worker.service, {
      AgentConfigAcquire: unary(() => this.config()),
      AgentRegister: unary((request: AgentRegisterRequest) => this.register(request)),
      AgentExit: unary((request: AgentExitRequest) => this.exit(request)),
      AgentFailed: unary(() => this.failed()),
      Ping: unary(({ address }: { address: string }) => this.ping(address)),
      Pong: unary(({ address }: { address: string }) => ({ address })),
    });
    this.injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Serves a connection. */
  take(socket: Socket): void {
    this.injector.injectConnection(socket);
  }

  /** Tells the agents to end, and ends all connections. */
  async close(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.exit(this.options.address)));
    this.server.forceShutdown();
    this.injector.destroy();
    await this.bus.close();
  }

  private async acquired(): Promise<AcquiredRanks> {
    return parseControl(
      AcquiredRanksDto,
      await this.bus.request(undefined, agentSubjects.acquire, encodeJson({}), { timeoutMs: acquireMs }),
    );
  }

  private async config(): Promise<object> {
    const { servable, ranks, rankTable, rankSize, stageSize, withBatchDim, withoutBatchDimInputs, inputCount, outputCount } =
      await this.acquired();
    return {
      rank_table_content: rankTable,
      rank_list: ranks.map(({ ip, deviceId }) => ({ ip, device_id: deviceId })),
      common_meta: {
        servable_name: servable,
        model_key: servable,
        with_batch_dim: withBatchDim,
        without_batch_dim_inputs: withoutBatchDimInputs,
        inputs_count: inputCount === undefined ? {} : { 0: inputCount },
        outputs_count: outputCount === undefined ? {} : { 0: outputCount },
      },
      distributed_meta: { rank_size: rankSize, stage_size: stageSize },
    };
  }

  private async register({ agent_spec: specs, address }: AgentRegisterRequest): Promise<object> {
    const { log, join } = this.options;
    const { servable, version, rankSize } = await this.acquired();
    const rank = Number(specs[0]?.rank_id ?? -1);
    if (specs.some(({ rank_id }) => Number(rank_id) !== rank) || !(rank >= 0 && rank < rankSize))
      throw new ServingError('INVALID_ARGUMENT', `an agent offers rank ${rank}, but the model has ${rankSize} ranks`);
    if (!/:\d+$/.test(address)) throw new ServingError('INVALID_ARGUMENT', `an agent gives the address '${address.slice(0, 200)}'`);
    const known = this.agents.get(rank);
    // As in the original: who comes first has the rank
    if (known !== undefined && known.address !== address) return {};
    // It was started again
    known?.leave();
    const client = new this.services.agent(address, credentials.createInsecure(), channelOptions);
    const onLost = (): void => void (this.agents.get(rank) === agent && this.agents.delete(rank));
    const agent = new OriginalAgent(join(), client, { servable, version, rankSize, rank, address, specs, log, onLost });
    this.agents.set(rank, agent);
    log.info({ rank, agent: address }, 'an agent of MindSpore Serving has registered');
    return {};
  }

  private exit({ address, agent_ip: ip }: AgentExitRequest): object {
    for (const agent of [...this.agents.values()])
      if (ip === undefined ? agent.address === address : hostOf(agent.address) === ip) agent.leave();
    return {};
  }

  private failed(): object {
    this.options.log.error({}, 'Failed to starting all agents, maybe some error reported');
    return {};
  }

  private ping(address: string): object {
    [...this.agents.values()].find((agent) => agent.address === address)?.pong(this.options.address);
    return { address };
  }
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
}

const codes: Partial<Record<ServingError['code'], status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  UNAVAILABLE: status.UNAVAILABLE,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
};

function unary<Request>(handle: (request: Request) => object | Promise<object>) {
  return async (call: ServerUnaryCall<Request, object>, done: sendUnaryData<object>): Promise<void> => {
    try {
      done(null, await handle(call.request));
    } catch (thrown) {
      const { code, message } = ServingError.from(thrown);
      done({ code: codes[code] ?? status.INTERNAL, details: message });
    }
  };
}
