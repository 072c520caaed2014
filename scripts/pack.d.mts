export function pack(target: string, isAllPlatforms?: boolean): Promise<string[]>;
