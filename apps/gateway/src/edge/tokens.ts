/** Injection token of the log (an AppLog), which has no class of its own. */
export const logToken = Symbol('gateway log');

/** Injection token of the Tracer; its value is undefined when nothing is traced. */
export const tracerToken = Symbol('tracer');
