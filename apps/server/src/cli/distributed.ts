import { helpText, loadSettings } from '@mserve/config';
import type { Command } from 'commander';
import { serveInForeground, whenAborted, type Foreground } from './foreground.js';
import { serveHelp } from './serve.js';

const serveUsage = "mserve distributed serve [DIR] --servable NAME --rank-table FILE --model-files 'M/rank_{rank}.mindir'";
const startUsage = 'mserve distributed start [DIR] --servable NAME --rank-table FILE';
const agentsUsage = "mserve distributed agents --model-files 'M/rank_{rank}.mindir' --distributed-address HOST:PORT";

/** `mserve distributed serve|start|agents`. Flags are settings, which libs/config reads. */
export function addDistributed(program: Command, foreground: Foreground): void {
  const distributed = program.command('distributed').description('models that are shared out over ranks, each run by an agent');
  settingsCommand(distributed, 'serve', 'serve a distributed servable with all its ranks on this machine', () =>
    serveHelp(serveUsage),
  ).action((args: readonly string[]) =>
    serveInForeground(args, foreground, serveUsage, async (chosen, options) =>
      (await import('../distributed/start-distributed.js')).serveDistributed(chosen, options),
    ),
  );
  settingsCommand(distributed, 'start', 'serve a distributed servable whose agents are started elsewhere', () =>
    serveHelp(startUsage),
  ).action((args: readonly string[]) =>
    serveInForeground(args, foreground, startUsage, async (chosen, options) =>
      (await import('../distributed/start-distributed.js')).serveForAgents(chosen, options),
    ),
  );
  settingsCommand(distributed, 'agents', 'start the agents of the ranks that run on this machine', agentsHelp).action(
    (args: readonly string[]) => runAgents(args, foreground),
  );
}

function settingsCommand(parent: Command, name: string, description: string, help: () => string): Command {
  return parent
    .command(name)
    .argument('[args...]')
    .description(description)
    .helpOption(false)
    .allowUnknownOption()
    .configureHelp({ formatHelp: help });
}

function agentsHelp(): string {
  return `${helpText({ program: 'agent', usage: agentsUsage })}\n`;
}

/** Keeps the agents of this machine running until it is asked to end. Rejects with ConfigError when one of them cannot use its settings. */
async function runAgents(args: readonly string[], foreground: Foreground): Promise<void> {
  const { settings, unused } = await loadSettings({ program: 'agent', usage: agentsUsage, argv: args, env: process.env });
  const { toEnd } = foreground.takeSignals();
  const [{ startLocalAgents }, { createLog, warnEach }] = await Promise.all([
    import('../distributed/startup-agents.js'),
    import('@mserve/app'),
  ]);
  const log = createLog(settings.logLevel, 'agents', settings.logFormat, foreground.writeFailures);
  warnEach(log, unused);
  const agents = await startLocalAgents(settings, log, toEnd);
  const unfit = await Promise.race([whenAborted(toEnd), agents.unfit]);
  await agents.close();
  if (unfit !== undefined) throw unfit;
}
