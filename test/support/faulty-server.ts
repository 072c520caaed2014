import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { differenceOf } from '../parity/mindir/comparison.js';
import type { DistributedCase } from './distributed-cases.js';
import { CaseServable, nestedLists, tensorOfLists } from './distributed-server.js';
import { buildHeldRuntime, HeldSteps, switchesOf, whenAsleep } from './held-runtime.js';
import type { RankMoment } from './rank-moments.js';
import type { RunningProcess, ServerAddresses } from './running-process.js';

const deadlineMs = 60_000;
/** Beyond its deadline a request hangs. */
const graceMs = 5_000;
/** Service that is not back by then has to be restarted. */
const recoverMs = 120_000;

/** What a fault came to. */
export interface FaultReport {
  /** Of every request from the one before the fault to the first right answer after it: ok, 503, or what is wrong. */
  readonly outcomes: readonly string[];
  /** How many of them were under way when it came, or were sent right after it; the first ones of the list. */
  readonly underWay: number;
  /** From the fault until the ranks left their mesh. */
  readonly errorMs: number;
  /** From the fault until the next right answer to a request that was sent after it. */
  readonly recoveryMs: number;
}

/** `mserve distributed serve` of a case whose agents can be held at their steps, killed and stopped. */
export class FaultyServer {
  private asks = 0;

  private constructor(
    private readonly one: DistributedCase,
    private readonly folder: string,
    private readonly servable: CaseServable,
    readonly server: RunningProcess & ServerAddresses,
    readonly steps: HeldSteps,
  ) {}

  static async start(one: DistributedCase): Promise<FaultyServer> {
    const folder = mkdtempSync(join(tmpdir(), 'mserve-faults-'));
    const { library, env } = buildHeldRuntime(folder);
    const steps = await HeldSteps.listen(join(folder, 'steps.sock'));
    const servable = new CaseServable(one);
    const flags = ['--onnxruntime-library', library, '--default-deadline-ms', String(deadlineMs), '--log-level', 'warn'];
    const server = await servable.serveWith({ ...env, ...steps.env }, ...flags);
    return new FaultyServer(one, folder, servable, server, steps);
  }

  async close(): Promise<void> {
    await this.server.stop();
    await this.steps.close();
    this.servable.remove();
    rmSync(this.folder, { recursive: true });
  }

  /** Process ids of the agents, by rank. */
  agents(): number[] {
    const lines = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(this.server.child.pid)], { encoding: 'utf8' }).split('\n');
    const pids: number[] = [];
    for (const line of lines) {
      const found = /^\s*(\d+) .*--rank (\d+) /.exec(line);
      if (found !== null) pids[Number(found[2])] = Number(found[1]);
    }
    return pids;
  }

  /** Asks with the next set of inputs. ok for the right answer, 503 for one that may be tried again, else what is wrong. */
  async ask(): Promise<string> {
    const set = this.asks++ % this.one.inputs.length;
    const [inputs, expected] = [this.one.inputs[set]!, this.one.outputs[set]!];
    const instance = Object.fromEntries(inputs.map((tensor, index) => [`x${index}`, nestedLists(tensor)]));
    const signal = AbortSignal.timeout(deadlineMs + graceMs);
    try {
      const body = JSON.stringify({ instances: [instance] });
      const response = await fetch(`http://${this.server.rest}/model/net:predict`, { method: 'POST', body, signal });
      const answer = (await response.json()) as { instances: Record<string, unknown>[] };
      if (response.status !== 200) return String(response.status);
      const outputs = expected.map(({ dtype }, index) => tensorOfLists(answer.instances[0]?.[`output_${index}`], dtype));
      return differenceOf(outputs, expected, this.one.tolerance) ?? 'ok';
    } catch (thrown) {
      return `no answer: ${String(thrown)}`;
    }
  }

  /**
   * Sends a signal to the agent of a rank at a moment, while requests are under way, and waits until an answer is right again. Rejects when that does not come within {@link recoverMs}, or
   * the moment or the end of the mesh not within a deadline: something hangs.
   */
  async fault(moment: RankMoment, signal: NodeJS.Signals): Promise<FaultReport> {
    // Whatever was before, all ranks have worked by now
    const before = await this.askUntilRight();
    const pids = this.agents();
    const pid = pids[moment.rank];
    if (pid === undefined) throw new Error(`rank ${moment.rank} has no agent`);
    const { asked, release } = await within(deadlineMs, `the moment ${moment.name} of rank ${moment.rank}`, this.reach(moment, pid, pids));
    let onLeft = (): void => undefined;
    const left = new Promise<void>((resolve) => (onLeft = resolve));
    let said = '';
    const onText = (text: Buffer): void => {
      said += text.toString();
      if (said.includes('leave their mesh')) onLeft();
    };
    this.server.child.stderr?.on('data', onText);
    try {
      const since = performance.now();
      process.kill(pid, signal);
      release();
      asked.push(this.ask());
      await within(deadlineMs, 'the end of the mesh', left);
      const errorMs = performance.now() - since;
      const after = await this.askUntilRight();
      const recoveryMs = performance.now() - since;
      const outcomes = await Promise.all(asked);
      return { outcomes: [...outcomes, ...before, ...after], underWay: outcomes.length, errorMs, recoveryMs };
    } finally {
      this.server.child.stderr?.off('data', onText);
    }
  }

  /** Asks until an answer is right, and gives the outcome of every request. */
  private async askUntilRight(): Promise<string[]> {
    const outcomes: string[] = [];
    const until = performance.now() + recoverMs;
    do {
      const outcome = await this.ask();
      outcomes.push(outcome);
      if (outcome === 'ok') return outcomes;
    } while (performance.now() < until);
    throw new Error(`no right answer within ${recoverMs} ms: ${[...new Set(outcomes)].join('; ')}`);
  }

  /** Brings the agent of a rank to a moment. Gives the requests that are under way then, and what lets the ranks that are held for it go on. */
  private async reach(
    { at }: RankMoment,
    pid: number,
    pids: readonly number[],
  ): Promise<{ asked: Promise<string>[]; release: () => void }> {
    if (at.kind === 'idle') return { asked: [], release: () => undefined };
    if (at.kind !== 'inside') {
      const held = this.steps.next((step) => step.pid === pid && step.what === at.kind && step.session === at.session);
      const asked = [this.ask()];
      await held;
      return { asked, release: () => undefined };
    }
    const peer = this.steps.next((step) => step.pid === pids[at.peer] && step.what === 'end' && step.session === at.session);
    const thread = this.steps.threads.get(pid)!;
    const switches = switchesOf(pid, thread);
    const asked = [this.ask()];
    const held = await peer;
    await whenAsleep(pid, thread, switches);
    return { asked, release: held.go };
  }
}

/** Rejects when something does not come in time: it hangs. */
async function within<T>(ms: number, what: string, coming: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = delay(ms, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`${what} did not come within ${ms} ms`);
  });
  try {
    return await Promise.race([coming, late]);
  } finally {
    ended.abort();
    late.catch(() => undefined);
  }
}
