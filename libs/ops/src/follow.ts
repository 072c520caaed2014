/** Gives a function that brings a counter up to a count that only grows. */
export function follow(counter: { add(by: number): void }, count: () => number): () => void {
  let counted = 0;
  return () => {
    const now = count();
    counter.add(now - counted);
    counted = now;
  };
}
