import type { Command } from 'commander';
import { list } from './text.js';
import { CliError } from '../cli-error.js';

type Run = (argv: readonly string[]) => Promise<number>;

/** The apps of a fleet, each loaded when it is asked for. */
const apps: Readonly<Record<string, () => Promise<Run>>> = {
  gateway: async () => {
    const [{ runApp }, { gatewayApp }] = await Promise.all([import('@mserve/app'), import('@mserve/gateway')]);
    return (argv) => runApp(process, gatewayApp(process.env), argv);
  },
  scheduler: async () => {
    const [{ runApp }, { schedulerApp }] = await Promise.all([import('@mserve/app'), import('@mserve/scheduler')]);
    return (argv) => runApp(process, schedulerApp(process.env), argv);
  },
  'device-worker': async () => {
    const [{ runApp }, { deviceWorkerApp }] = await Promise.all([import('@mserve/app'), import('@mserve/device-worker')]);
    return (argv) => runApp(process, deviceWorkerApp(process.env), argv);
  },
  agent: async () => {
    const [{ runApp }, { agentApp }] = await Promise.all([import('@mserve/app'), import('@mserve/agent')]);
    return (argv) => runApp(process, agentApp(), argv);
  },
};

/** `mserve app NAME`: one app of a fleet, as `node apps/NAME/dist/main.js` runs it. Its flags are the settings of the app. */
export function addApp(program: Command): void {
  program
    .command('app')
    .argument('<name>', list(Object.keys(apps)))
    .argument('[args...]')
    .description('run one app of a fleet: gateway, scheduler, device-worker or agent')
    .usage('NAME [flags]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (name: string, args: readonly string[]) => {
      const load = apps[name];
      if (load === undefined) throw new CliError(`there is no app '${name}': it is ${list(Object.keys(apps))}`, 2);
      const run = await load();
      process.exit(await run(args));
    });
}
