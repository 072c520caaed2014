import { StringDecoder } from 'node:string_decoder';

const longestLine = 4096;
/** What is kept of the end. */
const keptLength = 4096;

/** What a process prints, line by line. Long lines come in pieces. */
export class LineLog {
  private readonly decoder = new StringDecoder('utf8');
  private rest = '';
  /** The end of what was printed. */
  last = '';

  constructor(private readonly line: (text: string) => void) {}

  write(chunk: Buffer): void {
    const text = this.decoder.write(chunk);
    this.last = (this.last + text).slice(-keptLength);
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.tell(line);
    while (this.rest.length > longestLine) {
      this.tell(this.rest.slice(0, longestLine));
      this.rest = this.rest.slice(longestLine);
    }
  }

  /** Nothing more comes: what has no end of line is a line, too. */
  end(): void {
    if (this.rest !== '') this.tell(this.rest);
    this.rest = '';
  }

  private tell(line: string): void {
    for (let at = 0; at === 0 || at < line.length; at += longestLine) {
      const piece = line.slice(at, at + longestLine).trimEnd();
      if (piece !== '') this.line(piece);
    }
  }
}
