import type { ControlBus } from '@mserve/bus';
import { type DynamicModule, Module } from '@nestjs/common';
import { Agent } from './agent.js';
import type { AgentOptions } from './agent-options.js';
import { AgentController } from './control/agent.controller.js';

/** What an agent runs on. The bus stays the caller's to close. */
export interface AgentParts {
  readonly bus: ControlBus;
  readonly options: AgentOptions;
}

/** An agent as a Nest module; to be served by a BusServer on the same bus. {@link Agent.start} begins. */
@Module({})
export class AgentModule {
  static register({ bus, options }: AgentParts): DynamicModule {
    return {
      module: AgentModule,
      controllers: [AgentController],
      providers: [{ provide: Agent, useFactory: () => new Agent(bus, options) }],
      exports: [Agent],
    };
  }
}
