import 'reflect-metadata';
import { NestLog } from '@mserve/app';
import type { ControlBus } from '@mserve/bus';
import { BusServer } from '@mserve/bus/nest';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { Agent } from './agent.js';
import type { AgentOptions } from './agent-options.js';
import { AgentModule } from './agent.module.js';
import { agentBus } from './control/agent-bus.js';

/** An agent on a bus. */
export interface RunningAgent {
  readonly agent: Agent;
  /** Resolves when its files are read, or known to be unfit. */
  readonly read: Promise<void>;
  /** Leaves the mesh and frees the model. The bus stays the caller's. */
  close(): Promise<void>;
}

/** Starts an agent: when this resolves it is on the bus and reads its files. */
export async function startAgent(bus: ControlBus, options: AgentOptions): Promise<RunningAgent> {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(AgentModule.register({ bus, options }), {
    strategy: new BusServer(bus, agentBus),
    logger: new NestLog(options.log),
    abortOnError: false,
  });
  await app.listen();
  const agent = app.get(Agent);
  const read = agent.start();
  let closing: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await agent.close();
    await app.close();
  };
  return { agent, read, close: () => (closing ??= end()) };
}
