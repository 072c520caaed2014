import { setTimeout as sleep } from 'node:timers/promises';
import type { AppLog, AppReport } from '@mserve/app';
import { ConfigError } from '@mserve/config';
import { CliError } from '../cli-error.js';
import { writeBusCredentials, type FleetMember } from './bus-credentials.js';
import { natsAddress, planFleet, settingsOfApp, type FleetCommandSettings, type FleetPorts, type PlannedApp } from './fleet-plan.js';
import { ClusterGateway, DetachedApp, NatsProgram, type AppCommand, type OutputLine, type ProcessEnvironment } from './programs.js';
import type { StateDirectory } from './state-directory.js';
import { processKinds, Supervised, usualPatience, type ProcessKind, type SupervisedState } from './supervised.js';
import { loadedBy, wholenessOf, type Reported, type Wholeness } from './wholeness.js';

/** What a fleet is started with. */
export interface FleetOptions {
  readonly settings: FleetCommandSettings;
  readonly ports: FleetPorts;
  readonly state: StateDirectory;
  readonly natsServer: string;
  readonly command: AppCommand;
  readonly env: ProcessEnvironment;
  /** One line for each event. */
  readonly log: AppLog;
  readonly output: OutputLine;
  /** Reads the settings again. Rejects with ConfigError. */
  readonly reload: () => Promise<FleetCommandSettings>;
}

/** A process of a fleet, as `mserve fleet status` tells it. */
export interface ProcessStatus extends SupervisedState {
  /** Undefined: it does not answer. */
  readonly ready: boolean | undefined;
  readonly ops: string | undefined;
}

/** Beyond what a process may take for what it has in hand. */
const endSlackMs = 5_000;
const natsEndMs = 5_000;
const pollMs = 100;

/** The processes of a fleet on this machine, kept running until it is closed. */
export class Fleet {
  private readonly apps: readonly PlannedApp[];
  private readonly nkeys = new Map<string, string>();
  private settings: FleetCommandSettings;
  private readonly processes: readonly Supervised[];
  private closing: Promise<number> | undefined;
  private hasServed = false;
  private isChanging = false;
  private giveUp: (error: Error) => void = () => undefined;
  private readonly hopeless = new Promise<never>((_, reject) => (this.giveUp = reject));

  /** Writes logins and settings into the state directory, and starts everything. */
  constructor(private readonly options: FleetOptions) {
    const { settings, ports, state } = options;
    this.settings = settings;
    this.apps = planFleet(settings);
    this.hopeless.catch(() => undefined);
    const operator: FleetMember = { role: 'operator', name: 'operator' };
    const { processes } = writeBusCredentials(state.at('users'), [...this.apps, operator], settings.subjectPrefix);
    for (const { name, nkey } of processes) this.nkeys.set(name, nkey);
    const natsConfig = state.write('nats.conf', `listen: ${JSON.stringify(ports.nats)}\ninclude "users/authorization.conf"\n`);
    const patience = { ...usualPatience, unresponsiveMs: settings.unresponsiveMs };
    const nats = new NatsProgram(options.natsServer, natsConfig, natsAddress(ports.nats), (pid) => state.noteNats(pid), options.output);
    this.processes = [nats, ...this.apps.map((app) => this.programOf(app))].map(
      (program) => new Supervised(program, options.log, ({ code }) => this.onEnd(program.name, code), patience),
    );
    for (const one of this.processes) one.start();
  }

  /** Resolves when everything serves. Rejects when that cannot be: CliError for settings that a process cannot use, and when no servable can be loaded. */
  async whenWhole(): Promise<Wholeness> {
    const whole = await Promise.race([this.untilWhole((reports) => this.checkLoaded(reports)), this.hopeless]);
    this.hasServed = true;
    return whole;
  }

  async status(): Promise<ProcessStatus[]> {
    return Promise.all(
      this.processes.map(async (one) => {
        const report = await one.report();
        return { ...one.state, ready: report?.ready, ops: report?.ops };
      }),
    );
  }

  /**
   * Restarts the process of this name, or all of them, one after the other: each is waited for until it does its work again. Settings are read again. Rejects with CliError
   * when it does not, and leaves the others as they are; also while another change goes on. `tell`: each step, for people.
   */
  async restart(name: string | undefined, tell: (line: string) => void): Promise<void> {
    await this.change(async () => {
      const chosen = name === undefined ? this.inOrder() : [this.processOf(name)];
      this.settings = await this.options.reload().catch((error: unknown) => {
        throw error instanceof ConfigError ? new CliError(`nothing is restarted, the settings are wrong: ${error.message}`) : error;
      });
      for (const app of this.apps) this.writeSettings(app);
      if (name === undefined) await this.untilWhole();
      for (const one of chosen) {
        await this.restartOne(one);
        tell(`${one.name} is restarted`);
      }
    });
  }

  /** Ends the process of this name when it has finished what is in hand, and does not start it again until {@link restart}. Rejects with CliError. */
  async drain(name: string): Promise<void> {
    await this.change(async () => {
      const one = this.processOf(name);
      await one.end(this.graceOf(one));
    });
  }

  /** Sends SIGHUP to the apps: they read their settings, as they are now, again. Rejects with ConfigError for wrong ones. */
  async reload(): Promise<void> {
    this.settings = await this.options.reload();
    for (const app of this.apps) this.writeSettings(app);
    for (const one of this.processes) if (one.program.kind !== 'nats-server') one.signal('SIGHUP');
  }

  /**
   * Ends everything: gateways first, so that nothing comes any more, then schedulers, workers, and nats-server last. Resolves with the number of processes that could not
   * finish what they had in hand.
   */
  close(): Promise<number> {
    this.closing ??= this.endAll();
    return this.closing;
  }

  /** Kills everything now. */
  kill(): void {
    for (const one of this.processes) one.kill();
    this.options.state.clear();
  }

  private async endAll(): Promise<number> {
    for (const kind of [...processKinds].reverse()) await Promise.all(this.ofKind(kind).map((one) => one.end(this.graceOf(one))));
    this.options.state.clear();
    return this.processes.filter(({ program, lastCode }) => program.kind !== 'nats-server' && lastCode !== 0).length;
  }

  private programOf(app: PlannedApp): ClusterGateway | DetachedApp {
    const { command, env, output } = this.options;
    const Program = app.kind === 'gateway' ? ClusterGateway : DetachedApp;
    return new Program(app.name, app.kind, this.writeSettings(app), command, env, output);
  }

  private writeSettings(app: PlannedApp): string {
    const { ports, state } = this.options;
    const values = settingsOfApp(app, this.apps, this.settings, ports, this.nkeys.get(app.name) ?? '');
    const journal = app.kind === 'worker' ? { loadJournal: state.at(`loads/${app.name}.json`) } : {};
    return state.write(`${app.name}.json`, `${JSON.stringify({ ...values, ...journal }, null, 2)}\n`);
  }

  private ofKind(kind: ProcessKind): Supervised[] {
    return this.processes.filter(({ program }) => program.kind === kind);
  }

  /** The bus, then what work is given to, then who gives it. */
  private inOrder(): Supervised[] {
    return processKinds.flatMap((kind) => this.ofKind(kind));
  }

  private processOf(name: string): Supervised {
    const found = this.processes.find((one) => one.name === name);
    if (found === undefined)
      throw new CliError(`there is no process '${name}'; there are ${this.processes.map((one) => one.name).join(', ')}`, 2);
    return found;
  }

  private graceOf({ program }: Supervised): number {
    return program.kind === 'nats-server' ? natsEndMs : this.settings.graceMs + endSlackMs;
  }

  private async change(work: () => Promise<void>): Promise<void> {
    if (this.isChanging) throw new CliError('another restart or drain goes on: wait for its end');
    if (this.closing !== undefined) throw new CliError('the fleet is ending');
    this.isChanging = true;
    try {
      await work();
    } finally {
      this.isChanging = false;
    }
  }

  private async restartOne(one: Supervised): Promise<void> {
    const before = servedBy(await one.report());
    await one.restart(this.graceOf(one));
    const starts = one.startCount;
    await this.untilWhole(() => {
      if (one.startCount > starts || !one.isRunning) throw new CliError(`${one.name} has ended again: the restart stops here`);
    });
    const after = await one.report();
    const lost = before.filter((servable) => !servedBy(after).includes(servable));
    if (lost.length === 0) return;
    const reasons = (after?.replicas ?? [])
      .filter(({ servable }) => lost.includes(servable))
      .map(({ error }) => error ?? 'it is not there');
    throw new CliError(
      `${one.name} does not serve ${lost.join(', ')} any more (${[...new Set(reasons)].join('; ')}): the restart stops here`,
    );
  }

  /** Throws CliError when all workers are done with loading and nothing, or not what was chosen, is served. */
  private checkLoaded(reports: readonly Reported[]): void {
    const { servables: chosen, directory } = this.settings;
    const loaded = loadedBy(reports.filter(({ kind }) => kind === 'worker').map(({ report }) => report));
    if (loaded === undefined) return;
    const { ready, failed } = loaded;
    if (failed.length > 0 && (chosen !== undefined || ready.length === 0)) {
      const details = failed.map(({ servable, reason }) => `servable name:${servable}, <${reason}>`);
      throw new CliError(`Fail to start workers: {${details.join('; ')}}`);
    }
    if (ready.length === 0) throw new CliError(`there is no servable in ${directory}: a folder NAME with a servable_config.ts is expected`);
  }

  /** `check`: throws when it is not worth waiting. */
  private async untilWhole(check: (reports: readonly Reported[]) => void = () => undefined): Promise<Wholeness> {
    for (;;) {
      if (this.closing !== undefined) throw new CliError('the fleet is ending');
      const expected = this.processes.filter((one) => one.isExpected);
      const reports = await Promise.all(expected.map(async (one) => ({ kind: one.program.kind, report: await one.report() })));
      check(reports);
      const whole = wholenessOf(reports);
      if (whole !== undefined) return whole;
      await sleep(pollMs);
    }
  }

  private onEnd(name: string, code: number | null): void {
    if (code === ConfigError.exitCode && !this.hasServed)
      this.giveUp(new CliError(`${name} cannot use its settings; it has said above what is wrong`, ConfigError.exitCode));
  }
}

/** Names of the servables that a worker has ready. */
function servedBy(report: AppReport | undefined): string[] {
  const ready = (report?.replicas ?? []).filter(({ state }) => state === 'ready').map(({ servable }) => servable);
  return [...new Set(ready)];
}
