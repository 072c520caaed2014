/** Edit distance (insert, delete, replace; Levenshtein), case ignored. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const [diagonal = 0, above = 0, left = 0] = [row[j - 1], row[j], next[j - 1]];
      next.push(Math.min(diagonal + (a[i - 1] === b[j - 1] ? 0 : 1), above + 1, left + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The known word closest to `word`, or undefined when none is close (more than a third of its letters differ). */
export function nearest(word: string, known: readonly string[]): string | undefined {
  // What all flags and variables begin with says nothing about how close two are
  const bare = (name: string): string => name.toLowerCase().replace(/^(--|mserve_)/, '');
  const lower = bare(word);
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of known) {
    const d = distance(lower, bare(candidate));
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best !== undefined && bestDistance <= Math.max(2, bare(best).length / 3) ? best : undefined;
}
