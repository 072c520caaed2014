export function pack(target: string, isAllPlatforms?: boolean): string[];
