export const allowedRooms: Readonly<Record<string, readonly string[]>>;
export function importProblem(path: string, specifier: string): string | undefined;
export function importCircles(): string[][];
export const roomsRule: object;
export const circlesRule: object;
