/** Characters that are decoded at a time, whole groups of four: a text as a string of V8 takes its memory again. */
const sliceLength = 1024 * 1024;

/**
 * Bytes of standard base64 with padding (RFC 4648, no blanks, no url-safe alphabet), or undefined for anything else.
 * Buffer.from() alone drops what it does not know.
 */
export function strictBase64(text: Uint8Array): Uint8Array | undefined {
  const { length } = text;
  if (length % 4 !== 0) return undefined;
  if (length === 0) return new Uint8Array(0);
  if (text.includes(0x2d) || text.includes(0x5f)) return undefined;
  const padding = text[length - 1] !== 0x3d ? 0 : text[length - 2] !== 0x3d ? 1 : 2;
  const size = (length / 4) * 3 - padding;
  const characters = Buffer.from(text.buffer, text.byteOffset, length);
  const decoded = Buffer.allocUnsafe(size);
  let to = 0;
  for (let at = 0; at < length; at += sliceLength)
    to += decoded.write(characters.toString('latin1', at, Math.min(length, at + sliceLength)), to, 'base64');
  // Unknown characters are skipped and `=` ends the text: both make it shorter.
  if (to !== size) return undefined;
  // The decoder takes any number of `=` at the end; there may be two.
  const equals = text.indexOf(0x3d);
  return equals === -1 || equals === length - padding ? decoded : undefined;
}

/** Index of the first character that is none of base64's 64 (padding counts as none), or -1. */
export function firstNonBase64(text: Uint8Array): number {
  return text.findIndex(
    (byte) =>
      !(
        (byte >= 0x41 && byte <= 0x5a) ||
        (byte >= 0x61 && byte <= 0x7a) ||
        (byte >= 0x30 && byte <= 0x39) ||
        byte === 0x2b ||
        byte === 0x2f
      ),
  );
}
