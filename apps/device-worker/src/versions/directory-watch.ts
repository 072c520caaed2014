import type { AppLog } from '@mserve/app';
import { wantedVersions, type VersionPolicy } from '@mserve/config';
import { versionFiles } from './version-files.js';

/** A version that serves, and what it was loaded from (see {@link versionFiles}). */
export interface ServedVersion {
  readonly version: number;
  readonly files: string | undefined;
}

/** What the watch asks of its worker. */
export interface VersionHolder {
  /** Versions of a servable that serve now. */
  served(servable: string): readonly ServedVersion[];
  /** Versions of a servable that could not be loaded, and are listed as failed. */
  failed(servable: string): readonly number[];
  /** Loads a version, or loads it anew when it serves already. Resolves with false when it could not be loaded; what served before goes on then. */
  bring(servable: string, version: number): Promise<boolean>;
  /** Takes a version out when it has finished what it has in hand; one that failed leaves the list. */
  take(servable: string, version: number): Promise<unknown>;
}

/** What is watched, and how often. */
export interface DirectoryWatchOptions {
  readonly directory: string;
  /** Servables to watch, read anew at every look. Throws when the directory cannot be read now. */
  readonly list: () => readonly string[];
  readonly policyOf: (servable: string) => VersionPolicy;
  readonly intervalMs: number;
}

type Look = ReadonlyMap<number, string>;

/**
 * Looks at a directory of servables again and again, and brings the worker in line with it: loads what is new or has changed, and takes out what the
 * policy no longer asks for as soon as the new serves. A change counts when two looks in a row find the same, so that files are not read while they are
 * being copied. What cannot be loaded is not tried again before it changes.
 */
export class DirectoryWatch {
  private timer: NodeJS.Timeout | undefined;
  /** As seen at the last look. */
  private seen = new Map<string, Look>();
  /** As acted on last. */
  private settled = new Map<string, string>();
  private looking: Promise<void> | undefined;
  private isClosed = false;
  private isUnreadable = false;

  constructor(
    private readonly holder: VersionHolder,
    private readonly options: DirectoryWatchOptions,
    private readonly log: AppLog,
  ) {}

  /** Takes the directory as it is for what is loaded first, and begins to watch. */
  async start(): Promise<void> {
    this.seen = await this.look().catch(() => new Map<string, Look>());
    this.settled = new Map([...this.seen].map(([name, look]) => [name, textOf(look)]));
    this.next();
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    await this.looking;
  }

  private next(): void {
    if (this.isClosed) return;
    this.timer = setTimeout(() => {
      this.looking = this.turn().then(() => this.next());
    }, this.options.intervalMs);
    this.timer.unref();
  }

  private async turn(): Promise<void> {
    let now: Map<string, Look>;
    try {
      now = await this.look();
      this.isUnreadable = false;
    } catch (error) {
      // A share that is away for a moment must not end what serves
      if (!this.isUnreadable) this.log.warn({ err: error }, 'the servable directory cannot be read: nothing changes until it can');
      this.isUnreadable = true;
      return;
    }
    const before = this.seen;
    this.seen = now;
    for (const name of new Set([...this.settled.keys(), ...now.keys()])) {
      const text = textOf(now.get(name));
      if (text !== textOf(before.get(name)) || text === (this.settled.get(name) ?? '')) continue;
      if (this.isClosed) return;
      if (text === '') this.settled.delete(name);
      else this.settled.set(name, text);
      await this.reconcile(name, now.get(name) ?? new Map()).catch((error: unknown) =>
        this.log.error({ servable: name, err: error }, 'a servable could not be brought in line with its directory'),
      );
    }
  }

  private async reconcile(servable: string, there: Look): Promise<void> {
    const wanted = wantedVersions(this.options.policyOf(servable), [...there.keys()]);
    const served = new Map(this.holder.served(servable).map(({ version, files }) => [version, files]));
    const broken: number[] = [];
    for (const version of wanted) {
      if (served.has(version) && served.get(version) === there.get(version)) continue;
      this.log.info({ servable, version }, served.has(version) ? 'a version has changed: loading it anew' : 'a version is new: loading it');
      if (!(await this.holder.bring(servable, version))) broken.push(version);
    }
    if (broken.length > 0) {
      this.log.error({ servable, broken, serving: [...served.keys()] }, 'versions could not be loaded: what served before goes on');
      return;
    }
    for (const version of new Set([...served.keys(), ...this.holder.failed(servable)])) {
      if (wanted.includes(version)) continue;
      this.log.info({ servable, version }, 'a version is not wanted any more: unloading it');
      await this.holder.take(servable, version);
    }
  }

  private async look(): Promise<Map<string, Look>> {
    const { directory, list } = this.options;
    const looks = new Map<string, Look>();
    for (const name of list()) {
      const look = await versionFiles(directory, name);
      if (look.size > 0) looks.set(name, look);
    }
    return looks;
  }
}

function textOf(look: Look | undefined): string {
  return look === undefined ? '' : JSON.stringify([...look]);
}
