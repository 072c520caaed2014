import { isDeepStrictEqual } from 'node:util';
import type { FleetSettings } from '@mserve/config';
import type { AppLog } from './log.js';

/** What of the settings may change while a process runs. */
interface Taker<Settings> {
  readonly keys: readonly (keyof Settings & string)[];
  readonly apply: (settings: Settings) => void;
}

/** What logging in at the bus needs of them. */
export interface LiveLogin {
  take(keys: readonly ('natsUser' | 'natsPassword' | 'natsToken')[], apply: (settings: FleetSettings) => void): void;
  fresh(): Promise<FleetSettings>;
}

/** The part of a log that tells its level; pino's. */
export interface LeveledLog extends AppLog {
  level: string;
}

/** The settings of a process, which SIGHUP reads again from flags, environment and file: some take effect at once, the others need a restart. */
export class LiveSettings<Settings extends FleetSettings = FleetSettings> implements LiveLogin {
  private readonly takers: Taker<Settings>[] = [];
  private readonly reloads: (() => void)[] = [];
  private refused = 0;

  /** `settings`: as they are now. `load`: reads them again; rejects where they are wrong. */
  constructor(
    private settings: Settings,
    private readonly load: () => Promise<Settings>,
  ) {}

  /** As far as they are in force. */
  get current(): Settings {
    return this.settings;
  }

  /** How often settings were wrong when they were read again. */
  get failures(): number {
    return this.refused;
  }

  /** `apply` is called with the new settings when one of `keys` has changed. It must not throw. */
  take(keys: readonly (keyof Settings & string)[], apply: (settings: Settings) => void): void {
    this.takers.push({ keys, apply });
  }

  /** `listener` is called at every reload, whatever the settings are by then: for what is not in them, such as files that they name. It must not throw. */
  onReload(listener: () => void): void {
    this.reloads.push(listener);
  }

  /** Sets the level of a log. */
  takeLogLevel(log: LeveledLog): void {
    this.take(['logLevel'], ({ logLevel }) => (log.level = logLevel));
  }

  /** As file and environment have them now; those in force where they cannot be read. Changes nothing. */
  async fresh(): Promise<Settings> {
    return this.load().catch(() => this.settings);
  }

  /** Takes what can be taken, and says by name what was and what needs a restart. Settings that are wrong change nothing. Never rejects. */
  async reload(log: AppLog): Promise<void> {
    for (const listener of this.reloads) listener();
    let next: Settings;
    try {
      next = await this.load();
    } catch (error) {
      this.refused++;
      log.error({ err: error }, 'SIGHUP: the settings cannot be loaded, nothing has changed');
      return;
    }
    const before = this.settings;
    const changed = (Object.keys(next) as (keyof Settings & string)[]).filter((key) => !isDeepStrictEqual(next[key], before[key]));
    const takers = this.takers.filter(({ keys }) => keys.some((key) => changed.includes(key)));
    const taken = changed.filter((key) => takers.some(({ keys }) => keys.includes(key)));
    this.settings = { ...before, ...Object.fromEntries(taken.map((key) => [key, next[key]])) };
    for (const { apply } of takers) apply(this.settings);
    const rest = changed.filter((key) => !taken.includes(key));
    const parts = [
      ...(taken.length === 0 ? [] : [`taken: ${taken.join(', ')}`]),
      ...(rest.length === 0 ? [] : [`these need a restart: ${rest.join(', ')}`]),
    ];
    if (parts.length === 0) log.info({}, 'SIGHUP: no setting has changed');
    else log.warn({}, `SIGHUP: ${parts.join('; ')}`);
  }
}
