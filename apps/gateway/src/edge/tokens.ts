/** Injection token of the log (an AppLog), which has no class of its own. */
export const logToken = Symbol('gateway log');
