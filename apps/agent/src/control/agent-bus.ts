/** Nest's transport of the agent's control messages: tells its handlers from those of others in the same application. */
export const agentBus = Symbol('bus of the agent');
