/** Smaller pieces are put together: each by itself would cost many times its bytes, and keep all that was read together with it. */
const smallBytes = 4 * 1024;

/** Blocks that small pieces are put together in: the first is small, each next one twice as large, up to the largest. */
const firstBlockBytes = 512;
const largestBlockBytes = 16 * 1024;

/** Pieces of a body that wait, in their order. However small they came, they take little more memory than their bytes. */
export class PieceList {
  /** Bytes of all of them. */
  bytes = 0;
  private whole: Buffer[] = [];
  private block: Buffer | undefined;
  private blockAt = 0;
  private nextBlockBytes = firstBlockBytes;

  /** `areLent`: pieces are the caller's again after {@link add}. */
  constructor(private readonly areLent: boolean) {}

  add(piece: Buffer): void {
    this.bytes += piece.length;
    if (piece.length >= smallBytes) {
      this.seal();
      this.whole.push(this.areLent ? Buffer.from(piece) : piece);
      return;
    }
    if (this.block === undefined || this.block.length - this.blockAt < piece.length) {
      this.seal();
      this.block = Buffer.allocUnsafe(Math.max(piece.length, this.nextBlockBytes));
      this.nextBlockBytes = Math.min(largestBlockBytes, 2 * this.nextBlockBytes);
    }
    this.blockAt += piece.copy(this.block, this.blockAt);
  }

  /** Gives back what came so far, as few pieces, and begins anew. */
  take(): Buffer[] {
    this.seal();
    const { whole } = this;
    this.whole = [];
    this.bytes = 0;
    return whole;
  }

  private seal(): void {
    if (this.block === undefined) return;
    this.whole.push(this.block.subarray(0, this.blockAt));
    this.block = undefined;
    this.blockAt = 0;
  }
}
