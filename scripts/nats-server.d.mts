/** Where `go install` puts the server. */
export function cacheFolder(): string;
/** [major, minor, patch], or undefined when the file is no nats-server or cannot run. */
export function versionOf(path: string): Promise<[number, number, number] | undefined>;
/** The path of a usable nats-server; rejects with one sentence that says what to do. `build: false` never builds. */
export function findNatsServer(options?: { build?: boolean; log?: (line: string) => void }): Promise<string>;
/** findNatsServer with progress on stderr. */
export function ensureNatsServer(): Promise<string>;
