import type { AppLog } from '@mserve/app';
import type { AcquiredRanks, AgentReport, Bus } from '@mserve/bus';
import type { ModelDeclaration } from '@mserve/register';
import { ServingError } from '@mserve/wire';
import type { StageUse } from '../execution/model-plan.js';
import { Coordinator } from './coordinator.js';
import { openRanks, type RankedSession } from './open-ranks.js';
import { readRankTable } from './rank-table.js';

/** What the distributed servables of a worker have in common. */
export interface DistributedOptions {
  /** Path of the rank table. Without it distributed servables are refused. */
  readonly rankTable?: string | undefined;
  /** See CoordinatorOptions.waitMs. */
  readonly waitAgentsMs?: number | undefined;
}

/** A servable version that is opened. */
export interface RanksRequest {
  readonly servable: string;
  readonly version: number;
  /** Kind of the devices. */
  readonly provider: string;
  readonly declaration: ModelDeclaration;
  /** How the methods of the servable use the model. */
  readonly use?: StageUse | undefined;
  readonly log: AppLog;
}

/** The distributed servables of a worker: each has one replica, which its agents make up. */
export class DistributedServables {
  private readonly acquired = new Map<string, AcquiredRanks>();
  private readonly coordinators = new Map<string, Coordinator>();
  private readonly ending = new AbortController();

  constructor(
    private readonly bus: Bus,
    private readonly options: DistributedOptions,
  ) {}

  /**
   * Reads the rank table and waits for the agents of all ranks. Rejects with ServingError: INVALID_ARGUMENT when table, declaration and files do not fit or the
   * servable is open already, DEADLINE_EXCEEDED when agents are missing, CANCELLED by {@link end}.
   */
  async open({ servable, version, provider, declaration, use, log }: RanksRequest): Promise<RankedSession[]> {
    const { rankTable, waitAgentsMs = 0 } = this.options;
    const { rankSize, stageSize } = declaration.distributed ?? { rankSize: 1, stageSize: 1 };
    if (rankTable === undefined)
      throw new ServingError(
        'INVALID_ARGUMENT',
        `servable ${servable} is distributed: it needs a rank table (the setting rankTable) and agents (mserve distributed)`,
      );
    if (this.acquired.has(servable))
      throw new ServingError('INVALID_ARGUMENT', `servable ${servable} is distributed: its agents make up one replica, of one version`);
    const isAscend = provider === 'ascend' || provider === 'cann';
    const { places, text } = readRankTable(rankTable, { rankSize, stageSize, isAscend });
    const ranks = places.map(({ ip, deviceId }) => ({ ip, deviceId }));
    this.acquired.set(servable, {
      ...{ servable, version, rankSize, stageSize, ranks, rankTable: text },
      withBatchDim: declaration.withBatchDim,
      withoutBatchDimInputs: declaration.withoutBatchDimInputs,
      inputCount: use?.argumentCount,
      outputCount: use?.outputCount,
    });
    const coordinator = new Coordinator(this.bus, { servable, version, rankSize, stageSize, waitMs: waitAgentsMs, log });
    this.coordinators.set(servable, coordinator);
    const forget = (): void => {
      this.acquired.delete(servable);
      this.coordinators.delete(servable);
    };
    try {
      const sessions = await openRanks(coordinator, this.ending.signal);
      return sessions.map((session) => ({
        describe: () => session.describe(),
        run: (inputs, options) => session.run(inputs, options),
        close: () => session.close().finally(forget),
      }));
    } catch (thrown) {
      forget();
      throw thrown;
    }
  }

  /** Those that are to be served. */
  get models(): readonly Coordinator[] {
    return [...this.coordinators.values()];
  }

  /** Those that are there, of all servables. */
  get agents(): readonly AgentReport[] {
    return this.models.flatMap(({ agents }) => agents);
  }

  /** What start-up processes of agents ask. Throws ServingError NOT_FOUND when there is no such servable, or none that is meant. */
  ranksOf(servable: string | undefined): AcquiredRanks {
    const all = [...this.acquired.values()];
    const found = servable === undefined && all.length === 1 ? all[0] : all.find((one) => one.servable === servable);
    if (found !== undefined) return found;
    const names = all.map((one) => one.servable).join(', ') || 'none';
    throw new ServingError(
      'NOT_FOUND',
      servable === undefined
        ? `name the distributed servable that the agents are for; there are: ${names}`
        : `there is no distributed servable '${servable.slice(0, 64)}' here; there are: ${names}`,
    );
  }

  /** Ends the waiting for agents. */
  end(): void {
    this.ending.abort();
  }
}
