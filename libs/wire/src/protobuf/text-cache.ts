const places = 256;
const longest = 64;

/**
 * ASCII texts read lately, for messages in which the same names come again and again: to compare bytes is cheaper than to make a string.
 * Holds at most 256 texts of at most 64 characters.
 */
export class TextCache {
  readonly #texts: string[] = Array.from({ length: places }, () => '');

  /** The text in these bytes, which are at least one; undefined when they are not ASCII. */
  read(bytes: Buffer, from: number, to: number): string | undefined {
    const length = to - from;
    const place = (length * 31 + (bytes[from] as number) * 7 + (bytes[to - 1] as number)) & (places - 1);
    const recent = this.#texts[place] as string;
    if (recent.length === length) {
      let i = 0;
      while (i < length && recent.charCodeAt(i) === bytes[from + i]) i++;
      if (i === length) return recent;
    }
    for (let i = from; i < to; i++) if ((bytes[i] as number) >= 0x80) return undefined;
    const text = bytes.toString('latin1', from, to);
    if (length <= longest) this.#texts[place] = text;
    return text;
  }
}
