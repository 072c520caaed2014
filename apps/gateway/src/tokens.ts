/** Injection token of the log, which has no class of its own. */
export const logToken = Symbol('gateway log');
