import { isBusName } from '../bus-name.js';
import { ProtobufReader, type TextCache } from '../protobuf/index.js';

/** Messages, results and tensors that one list may hold, all together: what garbage can make a reader allocate. */
export const maxListEntries = 1 << 20;

/** One list of messages on its way from protobuf. What is malformed throws ProtobufError. */
export class Decoding {
  /** performance.now() of the whole list: deadlines travel as time that is left. */
  readonly now = performance.now();
  readonly reader: ProtobufReader;
  private entriesLeft = maxListEntries;
  private lastAddress = '';

  /** `texts`: where names that come in every message are looked up. */
  constructor(bytes: Uint8Array, texts?: TextCache | undefined) {
    this.reader = new ProtobufReader(bytes, 0, bytes.byteLength, texts);
  }

  /** Counts an entry: no more than {@link maxListEntries} come in one list. */
  countEntry(): void {
    if (this.entriesLeft-- <= 0) throw this.reader.fault(`more than ${maxListEntries} entries in one list`);
  }

  /** A string field with an address of the bus. */
  address(): string {
    const name = this.reader.string();
    if (name === this.lastAddress && name !== '') return name;
    if (!isBusName(name)) throw this.reader.fault('an address is not a name');
    return (this.lastAddress = name);
  }

  /** The text, which must not be empty. */
  required(text: string, what: string): string {
    if (text.length === 0) throw this.reader.fault(`it has no ${what}`);
    return text;
  }
}
