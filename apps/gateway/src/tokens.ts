/** Injection tokens of what has no class of its own. */
export const logToken = Symbol('gateway log');
export const optionsToken = Symbol('gateway options');
