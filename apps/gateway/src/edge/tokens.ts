/** Injection token of the log (an AppLog), which has no class of its own. */
export const logToken = Symbol('gateway log');

/** Nest's transport of the gateway's control messages: tells its handlers from those of others in the same application. */
export const gatewayBus = Symbol('bus of the gateway');
