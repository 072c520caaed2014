import { helpText, loadSettings, type LoadedSettings } from '@mserve/config';
import type { RunningServer } from '../server.js';

/** The flags of `mserve serve` that are no settings. */
const switches = [{ flag: '--json', doc: 'print one line of JSON instead of text when the server is ready' }];

/** How `mserve serve` is called. */
export const serveCommand = 'mserve serve [DIR]';

/** What `--help` of a command that serves prints; `usage` is how it is called. */
export function serveHelp(usage: string): string {
  return `${helpText({ program: 'server', usage, switches })}\n`;
}

/** The settings of a command that serves. Throws ConfigError, or OutputRequested for `--help` and `--print-config`. */
export function serveSettings(argv: readonly string[], env: NodeJS.ProcessEnv, usage = serveCommand): Promise<LoadedSettings<'server'>> {
  return loadSettings({ program: 'server', usage, argv, env, switches, positional: 'directory' });
}

/** What is printed when the server is ready. */
export function readyText(
  server: Pick<RunningServer, 'rest' | 'grpc' | 'admin' | 'ops' | 'docs' | 'scheme' | 'servables' | 'failed'>,
): string {
  const rows = server.servables.map((servable) => `  ${servable.servable} version ${servable.version}: ${servable.methods.join(', ')}`);
  const failed =
    server.failed.length === 0 ? [] : [`  not served, for the reason above: ${server.failed.map(({ servable }) => servable).join(', ')}`];
  return [
    '',
    'mserve is ready.',
    ...rows,
    ...failed,
    '',
    `  REST  ${server.rest === undefined ? 'no port' : `${server.scheme}://${server.rest}`}`,
    `  gRPC  ${server.grpc ?? 'no port'}`,
    `  docs  ${server.docs ?? 'switched off: REST is not on loopback (--docs switches them on)'}`,
    ...(server.ops === undefined ? [] : [`  ops   http://${server.ops}/dashboard`]),
    ...(server.admin === undefined ? [] : [`  admin ${server.scheme}://${server.admin}`]),
    '',
    'Ctrl+C stops the server.',
  ].join('\n');
}
