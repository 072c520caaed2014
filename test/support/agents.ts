import { join } from 'node:path';
import { startAgent, type AgentOptions, type RunningAgent } from '@mserve/agent';
import { silentLog } from '@mserve/app';
import type { Bus, MemoryExchange } from '@mserve/bus';
import type { LoadRank } from '@mserve/native';
import type { DistributedCase } from './distributed-cases.js';
import { existsSync } from 'node:fs';

/** An agent in this process, with a connection of its own. */
export interface TestAgent extends RunningAgent {
  readonly bus: Bus;
  /** Ends as a killed process does: nothing is said any more. */
  vanish(): Promise<void>;
}

/** Starts the agent of one rank of a case. */
export async function startCaseAgent(
  exchange: MemoryExchange,
  one: Pick<DistributedCase, 'folder' | 'rankSize'>,
  rank: number,
  loadRank: LoadRank,
  options: Partial<AgentOptions> = {},
): Promise<TestAgent> {
  const bus = exchange.connect('agent');
  const config = join(one.folder, `group_config_${rank}.pb`);
  const agent = await startAgent(bus, {
    servable: 'net',
    version: 0,
    rank,
    rankSize: one.rankSize,
    modelFiles: [join(one.folder, `rank_${rank}.mindir`)],
    groupConfigFiles: existsSync(config) ? [config] : [],
    loadRank,
    log: silentLog,
    ...options,
  });
  const close = async (): Promise<void> => {
    await agent.close();
    await bus.close();
  };
  const vanish = async (): Promise<void> => {
    await bus.close();
    await agent.close();
  };
  return { agent: agent.agent, read: agent.read, close, vanish, bus };
}
