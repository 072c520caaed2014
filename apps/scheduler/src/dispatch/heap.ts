/** A binary heap. `before(a, b)` says that a leaves before b; it must be a strict order, or equal elements leave in any order. */
export class Heap<E> {
  private readonly elements: E[] = [];

  constructor(private readonly before: (a: E, b: E) => boolean) {}

  get size(): number {
    return this.elements.length;
  }

  /** The element that leaves next, undefined when empty. */
  peek(): E | undefined {
    return this.elements[0];
  }

  /** O(1) for an element that leaves last, O(log n) otherwise. */
  push(element: E): void {
    this.elements.push(element);
    this.rise(this.elements.length - 1, element);
  }

  pop(): E | undefined {
    const { elements } = this;
    const top = elements[0];
    const last = elements.pop();
    if (last !== undefined && elements.length > 0) this.sink(0, last);
    return top;
  }

  /** A copy of what is here, in no order. */
  list(): E[] {
    return this.elements.slice();
  }

  /** Drops every element that `keep` says no to: O(n). */
  retain(keep: (element: E) => boolean): void {
    const { elements } = this;
    let kept = 0;
    for (const element of elements) {
      if (keep(element)) elements[kept++] = element;
    }
    elements.length = kept;
    for (let i = (kept >> 1) - 1; i >= 0; i--) this.sink(i, elements[i] as E);
  }

  private rise(from: number, element: E): void {
    const { elements, before } = this;
    let at = from;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = elements[parentAt] as E;
      if (!before(element, parent)) break;
      elements[at] = parent;
      at = parentAt;
    }
    elements[at] = element;
  }

  private sink(from: number, element: E): void {
    const { elements, before } = this;
    const size = elements.length;
    let at = from;
    for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && before(elements[child + 1] as E, elements[child] as E)) child++;
      if (!before(elements[child] as E, element)) break;
      elements[at] = elements[child] as E;
      at = child;
    }
    elements[at] = element;
  }
}
