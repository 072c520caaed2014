import type { AppLog } from '@mserve/app';

/** A log whose lines a spec can wait for. */
export class LogLines {
  readonly lines: { readonly level: string; readonly text: string; readonly fields: Readonly<Record<string, unknown>> }[] = [];
  private readonly waiting = new Set<() => void>();

  readonly log: AppLog = {
    debug: this.taker('debug'),
    info: this.taker('info'),
    warn: this.taker('warn'),
    error: this.taker('error'),
  };

  /** Texts of one level. */
  of(level: string): string[] {
    return this.lines.filter((line) => line.level === level).map(({ text }) => text);
  }

  /** Resolves with the first line, of those to come too, that has `part` in its text; `from`: index of the first that counts. */
  async line(part: string, from = 0): Promise<(typeof this.lines)[number]> {
    for (;;) {
      const found = this.lines.slice(from).find(({ text }) => text.includes(part));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  private taker(level: string): AppLog['info'] {
    return (fields: object, text: string) => {
      this.lines.push({ level, text, fields: fields as Readonly<Record<string, unknown>> });
      const woken = [...this.waiting];
      this.waiting.clear();
      for (const wake of woken) wake();
    };
  }
}
