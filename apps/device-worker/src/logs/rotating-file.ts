import { appendFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** How large a file may become, and what happens to lines that cannot be written. */
export interface RotatingFileOptions {
  readonly maxBytes: number;
  /** How many older files are kept: `FILE.1`, the youngest, to `FILE.N`. 0: none. */
  readonly backups: number;
  /** Lines were dropped: they could not be written, or, without a reason, too many were waiting. */
  readonly onLost: (lines: number, reason?: unknown) => void;
  /** Everything is written or lost. */
  readonly onIdle: () => void;
}

const longestWait = 1024 * 1024;
const mode = 0o640;

/**
 * Appends lines to a file that is moved aside when it is full. Writing is never waited for and never fails: lines that a full or broken disk does not take are
 * dropped, and the next ones are tried again. The file is opened anew for each write, so it may be moved or removed by others.
 */
export class RotatingFile {
  private waiting: string[] = [];
  private waitingBytes = 0;
  private size: number | undefined;
  private writing: Promise<void> | undefined;

  constructor(
    private readonly path: string,
    private readonly options: RotatingFileOptions,
  ) {}

  /** `text` ends with a line end. */
  write(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (this.waitingBytes + bytes > longestWait) {
      this.options.onLost(1);
      return;
    }
    this.waiting.push(text);
    this.waitingBytes += bytes;
    this.writing ??= this.drain();
  }

  /** Resolves when what was given so far is written or lost. */
  flush(): Promise<void> {
    return this.writing ?? Promise.resolve();
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0) {
      const lines = this.waiting;
      this.waiting = [];
      this.waitingBytes = 0;
      try {
        await this.append(lines.join(''));
      } catch (thrown) {
        this.size = undefined;
        this.options.onLost(lines.length, thrown);
      }
    }
    this.writing = undefined;
    this.options.onIdle();
  }

  private async append(text: string): Promise<void> {
    const bytes = Buffer.byteLength(text);
    const { maxBytes } = this.options;
    this.size ??= await this.begin();
    if (this.size > 0 && this.size + bytes > maxBytes) {
      await this.rotate();
      this.size = 0;
    }
    await appendFile(this.path, text, { mode });
    this.size += bytes;
  }

  private async begin(): Promise<number> {
    await mkdir(dirname(this.path), { recursive: true });
    return stat(this.path).then((found) => (found.isFile() ? found.size : 0), noSuchFile(0));
  }

  private async rotate(): Promise<void> {
    const { path } = this;
    const { backups } = this.options;
    if (backups === 0) return rm(path, { force: true });
    for (let age = backups - 1; age >= 0; age--)
      await rename(age === 0 ? path : `${path}.${age}`, `${path}.${age + 1}`).catch(noSuchFile(undefined));
  }
}

/** Takes an error for `value` when it says that a file is not there. */
function noSuchFile<T>(value: T): (thrown: unknown) => T {
  return (thrown) => {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return value;
    throw thrown;
  };
}
