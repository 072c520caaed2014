export { Agent } from './agent.js';
export type { AgentOptions, DecryptionKey } from './agent-options.js';
export { AgentModule, type AgentParts } from './agent.module.js';
export { startAgent, type RunningAgent } from './start-agent.js';
export { agentOptionsOf, filesOf, type AgentSettings } from './config/options-of-settings.js';
export { agentBus } from './control/agent-bus.js';
export { agentApp } from './agent-app.js';
