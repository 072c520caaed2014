export { WriteFailures } from './write-failures.js';

/** The part of `process` that signals need. */
export interface SignalHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly ppid?: number;
  readonly stderr: { readonly isTTY?: boolean | undefined };
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGQUIT' | 'SIGHUP', listener: () => void): unknown;
  exit(code: number): void;
}

/** What signals asked for. */
export interface Asked {
  /** Aborted by the first SIGINT, SIGTERM or SIGQUIT, or when the wrapper that started the process is gone. A later signal ends the process at once. */
  readonly toEnd: AbortSignal;
  /** From now on called at every SIGHUP. Without a listener SIGHUP does nothing; that of a terminal that hangs up asks to end. */
  onReload(listener: () => void): void;
}

/** nx and npx pass Ctrl+C on to a process that the terminal has told already: signals this close together are one. */
const sameSignalMs = 500;
const parentCheckMs = 500;

/** npm, npx and nx run a command under a shell that does not pass SIGTERM on: the process is then an orphan, with another parent than it began with. */
function watchParent(host: SignalHost, onGone: () => void): void {
  const isWrapped = host.env['npm_execpath'] !== undefined || host.env['npm_lifecycle_event'] !== undefined;
  const parent = host.ppid;
  if (!isWrapped || parent === undefined) return;
  const timer = setInterval(() => {
    if (host.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, parentCheckMs);
  timer.unref();
}

/** Takes the process' signals from now on. */
export function takeSignals(host: SignalHost): Asked {
  const asked = new AbortController();
  const reloads: (() => void)[] = [];
  let firstAt: number | undefined;
  const end = (): void => {
    if (firstAt !== undefined && performance.now() - firstAt > sameSignalMs) host.exit(1);
    firstAt ??= performance.now();
    asked.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const) host.on(signal, end);
  host.on('SIGHUP', () => {
    if (host.stderr.isTTY === true) end();
    else for (const reload of reloads) reload();
  });
  watchParent(host, () => asked.abort());
  return { toEnd: asked.signal, onReload: (listener) => void reloads.push(listener) };
}
