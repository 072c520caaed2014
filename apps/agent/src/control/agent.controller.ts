import { agentSubjects, type AgentStatus } from '@mserve/bus';
import { AbortAgentDto, ControlMessages, FormAgentDto, WorkerClaimDto } from '@mserve/bus/nest';
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Agent } from '../agent.js';
import { agentBus } from './agent-bus.js';

/** What the distributed worker asks of an agent. */
@Controller()
@ControlMessages()
export class AgentController {
  constructor(@Inject(Agent) private readonly agent: Agent) {}

  @MessagePattern(agentSubjects.load, agentBus)
  load(@Payload() claim: WorkerClaimDto): AgentStatus {
    return this.agent.load(claim);
  }

  @MessagePattern(agentSubjects.form, agentBus)
  form(@Payload() message: FormAgentDto): Promise<AgentStatus> {
    return this.agent.form(message);
  }

  @MessagePattern(agentSubjects.abort, agentBus)
  abort(@Payload() message: AbortAgentDto): AgentStatus {
    return this.agent.abort(message);
  }

  @MessagePattern(agentSubjects.status, agentBus)
  status(@Payload() claim: WorkerClaimDto): AgentStatus {
    return this.agent.renew(claim);
  }

  @MessagePattern(agentSubjects.release, agentBus)
  release(@Payload() claim: WorkerClaimDto): AgentStatus {
    return this.agent.release(claim);
  }
}
