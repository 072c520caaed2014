/** Up to this length V8 copies joined texts, and joining them is cheaper than a call into node. */
const shortText = 12;

/** The latin1 text of `bytes[start..end)`. */
export function latin1Text(bytes: Buffer, start: number, end: number): string {
  if (end - start > shortText) return bytes.toString('latin1', start, end);
  let text = '';
  let at = start;
  for (; end - at >= 4; at += 4)
    text += String.fromCharCode(byte(bytes, at), byte(bytes, at + 1), byte(bytes, at + 2), byte(bytes, at + 3));
  if (end - at >= 2) {
    text += String.fromCharCode(byte(bytes, at), byte(bytes, at + 1));
    at += 2;
  }
  return at < end ? text + String.fromCharCode(byte(bytes, at)) : text;
}

function byte(bytes: Buffer, index: number): number {
  return bytes[index] as number;
}
