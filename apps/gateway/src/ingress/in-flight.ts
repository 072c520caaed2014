/**
 * The infer requests of all ports of an ingress that are not over (being received, in hand, or their answers not written out): gives them tokens, and
 * counts them.
 */
export class InFlight {
  private current = 0;
  private lastToken = 0;
  private onTurn: (() => void) | undefined;

  get count(): number {
    return this.current;
  }

  /** A token that no other request of this ingress has. */
  nextToken(): number {
    return ++this.lastToken;
  }

  begin(): void {
    if (this.current++ === 0) this.onTurn?.();
  }

  end(): void {
    if (--this.current === 0) this.onTurn?.();
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
