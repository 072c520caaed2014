import type { Command } from 'commander';
import { list } from './text.js';
import { CliError } from '../cli-error.js';

type RunApp = typeof import('@mserve/app').runApp;

/** The apps of a fleet, each loaded when it is asked for. */
const apps: Readonly<Record<string, (runApp: RunApp, argv: readonly string[]) => Promise<number>>> = {
  gateway: async (runApp, argv) => runApp(process, (await import('@mserve/gateway')).gatewayApp(process.env), argv),
  scheduler: async (runApp, argv) => runApp(process, (await import('@mserve/scheduler')).schedulerApp(process.env), argv),
  'device-worker': async (runApp, argv) => runApp(process, (await import('@mserve/device-worker')).deviceWorkerApp(process.env), argv),
  agent: async (runApp, argv) => runApp(process, (await import('@mserve/agent')).agentApp(), argv),
};

/** `mserve app NAME`: one app of a fleet, as `node apps/NAME/dist/main.js` runs it. Its flags are the settings of the app. */
export function addApp(program: Command): void {
  program
    .command('app')
    .argument('<name>', list(Object.keys(apps)))
    .argument('[args...]')
    .description(`run one app of a fleet: ${list(Object.keys(apps))}`)
    .usage('NAME [flags]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (name: string, args: readonly string[]) => {
      const run = Object.hasOwn(apps, name) ? apps[name] : undefined;
      if (run === undefined) throw new CliError(`there is no app '${name}': it is ${list(Object.keys(apps))}`, 2);
      const { runApp } = await import('@mserve/app');
      process.exit(await run(runApp, args));
    });
}
