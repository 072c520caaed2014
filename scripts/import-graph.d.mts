export type ImportGraph = Map<string, string[]>;
export function isForTests(path: string): boolean;
export function sourceFolders(): string[];
export function sourceFiles(folder: string): string[];
export function importGraph(files: readonly string[], read?: (path: string) => string): ImportGraph;
export function sibling(path: string, other: string): string;
export function circles(graph: ImportGraph): string[][];
