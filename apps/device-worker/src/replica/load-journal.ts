import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isRecord } from '@mserve/wire';

/** How often the worker ended while a version was being loaded, by itself or side by side with others. */
interface Deaths {
  readonly alone: number;
  readonly together: number;
}

/** The file's contents. */
interface Notes {
  /** Versions that are being loaded. */
  readonly loading: readonly string[];
  readonly deaths: Readonly<Record<string, Deaths>>;
}

/** A servable version as it lies on disk: of other files nothing is known. */
export interface JournalKey {
  readonly servable: string;
  readonly version: number;
  readonly text: string;
}

/** `files`: that of versionFiles. */
export function journalKey(servable: string, version: number, files: string): JournalKey {
  const digest = createHash('sha256').update(files).digest('hex').slice(0, 16);
  return { servable, version, text: `${prefixOf(servable, version)}${digest}` };
}

function prefixOf(servable: string, version: number): string {
  return `${servable}/${version}/`;
}

/** So many workers have to end while a version is loaded, once at least nothing but it. */
const fatalDeaths = 2;
const none: Deaths = { alone: 0, together: 0 };

/**
 * A file in which a worker notes what it is loading: what it finds there at its next start, it did not survive. The workers of a fleet have their files in one folder, and read each
 * other's. What ended two workers is not to be loaded any more; what may have ended one is to be loaded alone, so that no other one is blamed for it.
 */
export class LoadJournal {
  private readonly loading = new Set<string>();
  private readonly deaths: Map<string, Deaths>;
  private readonly forgiven = new Set<string>();
  private isClosed = false;

  /** `file`: of this worker. Its folder is made when it is not there. Throws when it cannot be written. */
  constructor(private readonly file: string) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const { loading, deaths } = readNotes(file);
    this.deaths = new Map(Object.entries(deaths));
    const kind = loading.length === 1 ? 'alone' : 'together';
    for (const key of loading) {
      const before = this.deaths.get(key) ?? none;
      this.deaths.set(key, { ...before, [kind]: before[kind] + 1 });
    }
    this.write();
  }

  /** How many workers ended while it was loaded, where it is not to be loaded any more for that; else undefined. */
  fatalFor({ text }: JournalKey): number | undefined {
    const { alone, together } = this.deathsOf(text);
    return !this.forgiven.has(text) && alone > 0 && alone + together >= fatalDeaths ? alone + together : undefined;
  }

  isSuspect({ text }: JournalKey): boolean {
    const { alone, together } = this.deathsOf(text);
    return alone + together > 0;
  }

  /** From now on, until {@link end}, it is to blame. */
  begin({ text }: JournalKey): void {
    this.loading.add(text);
    this.write();
  }

  /** It is loaded, or was refused: nobody ended. */
  end({ text }: JournalKey): void {
    if (this.isClosed) return;
    this.loading.delete(text);
    this.deaths.delete(text);
    this.write();
  }

  /** An operator wants it to be tried again. Version 0: all of them. */
  forgive(servable: string, version: number): void {
    const prefix = version === 0 ? `${servable}/` : prefixOf(servable, version);
    for (const key of [...this.deaths.keys(), ...this.peersDeaths().keys()])
      if (key.startsWith(prefix)) {
        this.deaths.delete(key);
        this.forgiven.add(key);
      }
    this.write();
  }

  /** The worker ends in good order: whatever it is loading is not to blame. */
  close(): void {
    this.isClosed = true;
    this.loading.clear();
    this.write();
  }

  private deathsOf(key: string): Deaths {
    const own = this.deaths.get(key) ?? none;
    const peers = this.peersDeaths().get(key) ?? none;
    return { alone: own.alone + peers.alone, together: own.together + peers.together };
  }

  /** As the others' files say now. */
  private peersDeaths(): Map<string, Deaths> {
    const sums = new Map<string, Deaths>();
    const folder = dirname(this.file);
    for (const name of readdirSync(folder)) {
      if (name === basename(this.file) || !name.endsWith('.json')) continue;
      for (const [key, { alone, together }] of Object.entries(readNotes(join(folder, name)).deaths)) {
        const sum = sums.get(key) ?? none;
        sums.set(key, { alone: sum.alone + alone, together: sum.together + together });
      }
    }
    return sums;
  }

  /** At once and as a whole, since the process may end in the next moment. */
  private write(): void {
    const notes: Notes = { loading: [...this.loading], deaths: Object.fromEntries(this.deaths) };
    const fresh = `${this.file}.new`;
    writeFileSync(fresh, `${JSON.stringify(notes)}\n`, { mode: 0o600 });
    renameSync(fresh, this.file);
  }
}

/** Nothing where there is no file, or it is not one of these. */
function readNotes(file: string): Notes {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (isRecord(value)) {
      const { loading, deaths } = value;
      return {
        loading: Array.isArray(loading) ? loading.filter((key): key is string => typeof key === 'string') : [],
        deaths: isRecord(deaths) ? Object.fromEntries(Object.entries(deaths).flatMap(readDeaths)) : {},
      };
    }
  } catch {
    // None yet
  }
  return { loading: [], deaths: {} };
}

function readDeaths([key, value]: [string, unknown]): [string, Deaths][] {
  const { alone, together } = isRecord(value) ? value : {};
  return typeof alone === 'number' && typeof together === 'number' ? [[key, { alone, together }]] : [];
}
