export const allowedRooms: Readonly<Record<string, readonly string[]>>;
export const toleratedImports: readonly string[];
export function importProblem(path: string, specifier: string): string | undefined;
export function importCircles(tolerated?: readonly string[]): string[][];
export const roomsRule: object;
export const circlesRule: object;
