/** Samples by name and labels as they stand, `name{label="value"}`. */
export type Samples = ReadonlyMap<string, number>;

export interface Scraped {
  readonly text: string;
  readonly samples: Samples;
}

/** What `/metrics` of an operations port shows. */
export async function scrape(ops: string): Promise<Scraped> {
  const text = await (await fetch(`http://${ops}/metrics`)).text();
  return { text, samples: samplesOf(text) };
}

/** The samples in what `/metrics` shows. */
export function samplesOf(text: string): Samples {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

/** How much samples moved: of one series by its name and labels, or of all series of a metric. */
export class Moves {
  constructor(
    private readonly before: Samples,
    private readonly after: Samples,
  ) {}

  of(sample: string): number {
    return (this.after.get(sample) ?? 0) - (this.before.get(sample) ?? 0);
  }

  /** Over all labels. */
  sum(metric: string, label = ''): number {
    return [...this.after.keys()]
      .filter((sample) => (sample === metric || sample.startsWith(`${metric}{`)) && sample.includes(label))
      .reduce((total, sample) => total + this.of(sample), 0);
  }
}
