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
  const decoded = Buffer.from(Buffer.from(text.buffer, text.byteOffset, length).toString('latin1'), 'base64');
  // Unknown characters are skipped and `=` ends the text: both make it shorter.
  if (decoded.byteLength !== size) return undefined;
  // A third `=` at the end would pass the count above only as one character less: look at it.
  return text.indexOf(0x3d) < length - padding && padding > 0 && text.indexOf(0x3d) !== -1 ? undefined : decoded;
}
