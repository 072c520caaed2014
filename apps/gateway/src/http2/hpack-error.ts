/** A block that breaks HPACK: the connection has to end with COMPRESSION_ERROR. */
export class HpackError extends Error {
  override name = 'HpackError';
}
