import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { helpText, loadSettings, type LoadedSettings } from '@mserve/config';
import type { Command } from 'commander';
import { Reported } from '../cli-error.js';
import type { FleetRequest } from '../fleet/control-port.js';
import type { Fleet as FleetProcesses } from '../fleet/fleet.js';
import type { OutputLine } from '../fleet/programs.js';
import { whenAborted, type Foreground } from './foreground.js';
import { readyText } from './serve.js';
import { print } from './text.js';

const usage = 'mserve fleet [DIR]';
const switches = [{ flag: '--json', doc: 'print one line of JSON instead of text when the fleet is ready' }];

function fleetSettings(argv: readonly string[]): Promise<LoadedSettings<'fleet'>> {
  return loadSettings({ program: 'fleet', usage, argv, env: process.env, switches, positional: 'directory' });
}

function fleetHelp(): string {
  const commands = ['status', 'restart [NAME]', 'drain NAME'].map((words) => `  mserve fleet ${words}`);
  return `${helpText({ program: 'fleet', usage, switches })}\n\nOf a fleet that runs:\n${commands.join('\n')}\n`;
}

function stateDirectoryOf(chosen: string | undefined): string {
  const { XDG_STATE_HOME: home, MSERVE_STATE_DIRECTORY: named } = process.env;
  return resolve(chosen ?? (named || join(home || join(homedir(), '.local/state'), 'mserve/fleet')));
}

/** The variables of the processes: their settings they have from files. */
function environmentOfProcesses(): Readonly<Record<string, string | undefined>> {
  const { env } = process;
  return Object.fromEntries(Object.keys(env).map((name) => [name, name.startsWith('MSERVE_') ? undefined : env[name]]));
}

/** What processes write goes to stderr, with their names before it where people read it. */
function outputTo(format: 'json' | 'pretty'): OutputLine {
  return (name, line) => void process.stderr.write(format === 'pretty' ? `${name} | ${line}\n` : `${line}\n`);
}

async function runFleet(args: readonly string[], foreground: Foreground): Promise<void> {
  const { settings, switches: given, unused } = await fleetSettings(args);
  const { toEnd, onReload } = foreground.takeSignals();
  const [{ createLog, warnEach }, { Fleet }, { StateDirectory }, { openControlPort }, { choosePorts }, { findNatsServer }] =
    await Promise.all([
      import('@mserve/app'),
      import('../fleet/fleet.js'),
      import('../fleet/state-directory.js'),
      import('../fleet/control-port.js'),
      import('../fleet/fleet-plan.js'),
      import('../fleet/nats-program.js'),
    ]);
  const { NATS_SERVER, PATH, XDG_CACHE_HOME } = process.env;
  const natsServer = await findNatsServer(settings.natsServer, { NATS_SERVER, PATH, XDG_CACHE_HOME });
  const state = await StateDirectory.open(stateDirectoryOf(settings.stateDirectory));
  const started: { fleet?: FleetProcesses } = {};
  const control = await openControlPort(state.socket, () => started.fleet);
  // Whatever ends this process at once
  process.once('exit', () => (started.fleet === undefined ? state.clear() : started.fleet.kill()));
  const log = createLog(settings.logLevel === 'silent' ? 'silent' : 'info', 'fleet', settings.logFormat, foreground.writeFailures);
  warnEach(log, unused);
  const running = new Fleet({
    settings,
    ports: await choosePorts(settings),
    state,
    natsServer,
    command: { execArgv: process.execArgv, file: process.argv[1] ?? '' },
    env: environmentOfProcesses(),
    log,
    output: outputTo(settings.logFormat),
    reload: async () => (await fleetSettings(args)).settings,
  });
  started.fleet = running;
  onReload(() => running.reload().catch((error: unknown) => log.error({ err: error }, 'SIGHUP: nothing has changed')));
  const asked = whenAborted(toEnd);
  try {
    const whole = await Promise.race([running.whenWhole(), asked]);
    if (whole !== undefined) {
      const isTls = settings.tlsCertificate !== undefined;
      const scheme = isTls ? ('https' as const) : ('http' as const);
      const { rest, grpc, admin, ops, servesDocs } = whole.gateway ?? {};
      const docs = servesDocs === true && rest !== undefined ? `${scheme}://${rest}/docs` : undefined;
      const ready = { rest, grpc, admin, ops, docs, servables: whole.ready, failed: whole.failed };
      print(given.has('--json'), ready, readyText({ ...ready, scheme }));
      await asked;
    }
    log.info({}, 'asked to end: gateways first, nats-server last (a second time: at once)');
  } finally {
    const unfinished = await running.close();
    control.close();
    if (unfinished > 0 && toEnd.aborted) log.error({ unfinished }, 'processes could not finish what they had in hand');
    await new Promise<void>((resolve) => log.flush(() => resolve()));
    if (unfinished > 0 && toEnd.aborted) throw new Reported();
  }
}

interface AskFlags {
  readonly stateDirectory?: string;
  readonly json: boolean;
}

async function ask(request: FleetRequest, { stateDirectory, json }: AskFlags): Promise<void> {
  const [{ askFleet }, { socketOf }, { statusText }] = await Promise.all([
    import('../fleet/control-port.js'),
    import('../fleet/state-directory.js'),
    import('../fleet/fleet-text.js'),
  ]);
  const toStderr = (step: string): void => void process.stderr.write(`${step}\n`);
  const { processes } = await askFleet(socketOf(stateDirectoryOf(stateDirectory)), request, toStderr);
  if (processes !== undefined) print(json, { processes }, statusText(processes));
  else print(json, { done: true }, 'done');
}

function addAsking(fleet: Command, name: string, description: string): Command {
  return fleet
    .command(name)
    .description(description)
    .option('--state-directory <dir>', 'that of the fleet (default: as mserve fleet has it)')
    .option('--json', 'print one line of JSON instead of text', false);
}

/** `mserve fleet`, and what is asked of one that runs. */
export function addFleet(program: Command, foreground: Foreground): void {
  const fleet = program.command('fleet');
  addAsking(fleet, 'status', 'tell the processes of a fleet that runs').action((flags: AskFlags) => ask({ do: 'status' }, flags));
  addAsking(fleet, 'restart', 'restart one process, or all of them, one after the other')
    .argument('[name]', 'as status names it')
    .action((name: string | undefined, flags: AskFlags) => ask({ do: 'restart', name }, flags));
  addAsking(fleet, 'drain', 'end a process when it has finished what is in hand; restart starts it again')
    .argument('<name>', 'as status names it')
    .action((name: string, flags: AskFlags) => ask({ do: 'drain', name }, flags));
  // After its own commands, which would take these over
  fleet
    .argument('[args...]')
    .description('serve a directory with a fleet on this machine: nats-server, gateways, schedulers and workers as processes of their own')
    .usage('[DIR] [flags]')
    .helpOption(false)
    .allowUnknownOption()
    .configureHelp({ formatHelp: fleetHelp })
    .action((args: readonly string[]) => runFleet(args, foreground));
}
