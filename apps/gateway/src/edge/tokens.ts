/** Injection token of the log (an AppLog), which has no class of its own. */
export const logToken = Symbol('gateway log');

/** Injection token of the Tracer; its value is undefined when nothing is traced. */
export const tracerToken = Symbol('tracer');

/** Nest's transport of the gateway's control messages: tells its handlers from those of others in the same application. */
export const gatewayBus = Symbol('bus of the gateway');

/** Injection token of the ModelControlMode. */
export const modelControlToken = Symbol('model control mode');
