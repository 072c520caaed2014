export const outside: readonly string[];
export const never: readonly string[];
export function bundle(): Promise<void>;
