import { MemoryReturn } from './memory-return.js';

/**
 * The infer requests of all ports of an ingress that are not over (being received, in hand, or their answers not written out): gives them tokens, and
 * counts them.
 */
export class InFlight {
  private current = 0;
  private lastToken = 0;
  private onTurn: (() => void) | undefined;
  private readonly memory = new MemoryReturn(this);

  get count(): number {
    return this.current;
  }

  /** Whether any token was given yet. */
  get hasBegun(): boolean {
    return this.lastToken > 0;
  }

  /** The token given last; another one later says that there were requests meanwhile. */
  get newestToken(): number {
    return this.lastToken;
  }

  /** A token that no other request of this ingress has. */
  nextToken(): number {
    return ++this.lastToken;
  }

  begin(): void {
    if (this.current++ === 0) this.onTurn?.();
  }

  /** `bytes`: of its body, as far as it came, and of what it was inflated to. */
  end(bytes: number): void {
    this.memory.add(bytes);
    if (--this.current === 0) this.onTurn?.();
  }

  /** An answer of so many bytes is being written; small ones need not be told. */
  answered(bytes: number): void {
    this.memory.add(bytes);
  }

  /** Calls `onQuiet` when nothing has been in flight for `quietMs` on end. One watch at a time; the function given back ends it. */
  watch(quietMs: number, onQuiet: () => void): () => void {
    let timer: NodeJS.Timeout | undefined;
    this.onTurn = () => {
      clearTimeout(timer);
      timer = this.current === 0 ? setTimeout(onQuiet, quietMs) : undefined;
    };
    this.onTurn();
    return () => {
      clearTimeout(timer);
      this.onTurn = undefined;
    };
  }
}
