export const documentedMetrics: readonly string[];
/** Of those, the ones that a server has which is one process. */
export const serverMetrics: readonly string[];
export function withTables(document: string): string;
