export const allowedRooms: Readonly<Record<string, readonly string[]>>;
export function importProblem(path: string, specifier: string): string | undefined;
export const roomsRule: object;
