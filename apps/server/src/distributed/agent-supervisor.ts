import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AppLog } from '@mserve/app';
import { ConfigError } from '@mserve/config';

/** An agent process to be kept running. */
export interface SupervisedRank {
  readonly rank: number;
  /** Flags of the agent (settings of the program `agent`). */
  readonly flags: readonly string[];
  /** Of encrypted files: the agent reads it from its standard input, as the setting decKeyFile says then. */
  readonly key?: Uint8Array | undefined;
}

/** How patient a supervisor is; the defaults are for production. */
export interface SupervisorOptions {
  readonly log: AppLog;
  /** An agent that has read its files and says nothing for longer is ended. Default 5000. */
  readonly silentMs?: number | undefined;
  /** Wait before the first restart; doubles up to 10 s while an agent ends soon after its start. Default 200. */
  readonly restartMs?: number | undefined;
  /** How long an agent may take to end when it is asked to. Default 10 000. */
  readonly endMs?: number | undefined;
}

/** The `mserve` command, also where this process is another program that uses the library. */
const command = fileURLToPath(new URL('../main.js', import.meta.url));
const longestRestartMs = 10_000;
/** An agent that ran for this long is restarted at once. */
const steadyMs = 30_000;

interface Supervised {
  readonly rank: SupervisedRank;
  child: ChildProcess | undefined;
  startedAt: number;
  delayMs: number;
  restart: NodeJS.Timeout | undefined;
  silence: NodeJS.Timeout | undefined;
}

/**
 * Keeps one agent process running for each rank of this machine: one that ends, or is silent, is started again, but not one that cannot use its settings, which would end
 * in the same way. The agents end with this process.
 */
export class AgentSupervisor {
  private readonly agents: readonly Supervised[];
  private closing: Promise<void> | undefined;
  private onUnfit: (error: ConfigError) => void = () => undefined;
  /** Resolves when an agent has ended because of its settings; why, it has said itself on stderr. */
  readonly unfit = new Promise<ConfigError>((resolve) => (this.onUnfit = resolve));

  /** Starts an agent for each rank. */
  constructor(
    ranks: readonly SupervisedRank[],
    private readonly options: SupervisorOptions,
  ) {
    const delayMs = options.restartMs ?? 200;
    this.agents = ranks.map((rank) => ({ rank, child: undefined, startedAt: 0, delayMs, restart: undefined, silence: undefined }));
    for (const agent of this.agents) this.start(agent);
  }

  /** Process ids of the agents that run, by their place in the list of ranks. */
  get pids(): readonly (number | undefined)[] {
    return this.agents.map(({ child }) => child?.pid);
  }

  /** Ends the agents, and does not start them again. Resolves when all have ended. */
  close(): Promise<void> {
    this.closing ??= Promise.all(this.agents.map((agent) => this.end(agent))).then(() => undefined);
    return this.closing;
  }

  private start(agent: Supervised): void {
    const { rank, flags, key } = agent.rank;
    const child = spawn(process.execPath, [command, 'app', 'agent', ...flags, ...(key === undefined ? [] : ['--dec-key-file', '-'])], {
      stdio: [key === undefined ? 'ignore' : 'pipe', 'ignore', 'inherit', 'ipc'],
      // A terminal's Ctrl+C is for the server, which ends its agents when it has finished what is in hand
      detached: true,
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(key);
    agent.child = child;
    agent.startedAt = performance.now();
    child.on('message', () => this.heard(agent, child));
    child.on('error', (error) => this.options.log.error({ rank, err: error }, 'an agent cannot be started'));
    child.on('exit', (code, signal) => this.ended(agent, child, signal ?? code));
  }

  private heard(agent: Supervised, child: ChildProcess): void {
    clearTimeout(agent.silence);
    agent.silence = setTimeout(() => {
      this.options.log.error({ rank: agent.rank.rank, pid: child.pid }, 'an agent says nothing any more and is ended');
      child.kill('SIGKILL');
    }, this.options.silentMs ?? 5_000);
    agent.silence.unref();
  }

  private ended(agent: Supervised, child: ChildProcess, why: number | string | null): void {
    clearTimeout(agent.silence);
    if (agent.child !== child) return;
    agent.child = undefined;
    if (this.closing !== undefined) return;
    if (why === ConfigError.exitCode) {
      const text = `the agent of rank ${agent.rank.rank} cannot use its settings and is not started again`;
      this.options.log.error({ rank: agent.rank.rank, pid: child.pid, why }, text);
      this.onUnfit(new ConfigError(text));
      return;
    }
    const { restartMs = 200 } = this.options;
    agent.delayMs = performance.now() - agent.startedAt > steadyMs ? restartMs : Math.min(longestRestartMs, agent.delayMs * 2);
    this.options.log.error(
      { rank: agent.rank.rank, pid: child.pid, why, againInMs: agent.delayMs },
      'an agent has ended and is started again',
    );
    agent.restart = setTimeout(() => this.start(agent), agent.delayMs);
  }

  private async end(agent: Supervised): Promise<void> {
    clearTimeout(agent.restart);
    const { child } = agent;
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), this.options.endMs ?? 10_000);
    await ended;
    clearTimeout(late);
  }
}
