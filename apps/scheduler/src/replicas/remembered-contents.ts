import { versionKey } from '@mserve/wire';

/** For so long the bytes of a version are remembered when the workers that had them were lost: they, or those that come in their place, bring the same. */
const rememberedMs = 60_000;

/** Which bytes versions had whose workers were lost, so that others do not take their place meanwhile. */
export class RememberedContents {
  private readonly untilByKey = new Map<string, Map<string | undefined, number>>();

  add(servable: string, version: number, content: string | undefined, now: number): void {
    const key = versionKey({ servable, version });
    const contents = this.untilByKey.get(key) ?? new Map<string | undefined, number>();
    this.untilByKey.set(key, contents.set(content, now + rememberedMs));
  }

  of(servable: string, version: number): Iterable<string | undefined> {
    return this.untilByKey.get(versionKey({ servable, version }))?.keys() ?? [];
  }

  /** Whether there were any that are remembered no longer. */
  expire(now: number): boolean {
    let hasExpired = false;
    for (const [key, contents] of this.untilByKey) {
      for (const [content, until] of contents) if (until <= now) hasExpired = contents.delete(content) || hasExpired;
      if (contents.size === 0) this.untilByKey.delete(key);
    }
    return hasExpired;
  }
}
