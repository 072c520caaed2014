import type { ModelProgress } from '@mserve/device-worker';

/** How often a model that still loads is reported again. */
const remindMs = 5_000;

/** Turns steps of loading into lines for people, and says of slow ones that they are still on their way. */
export class LoadingProgress {
  private readonly loading = new Map<string, number>();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly write: (line: string) => void) {
    this.timer = setInterval(() => this.remind(), remindMs);
    this.timer.unref();
  }

  tell(progress: ModelProgress): void {
    const what = `${progress.servable} version ${progress.version}, device ${progress.deviceId}, ${progress.model}`;
    if (progress.state === 'loading') {
      this.loading.set(what, performance.now());
      this.write(`… ${what}: loading`);
      return;
    }
    this.loading.delete(what);
    // Why one failed is said once, by the worker, when it gives up the replica
    if (progress.state === 'ready') this.write(`✓ ${what}: ready in ${Math.round(progress.ms)} ms`);
  }

  end(): void {
    clearInterval(this.timer);
  }

  private remind(): void {
    for (const [what, since] of this.loading) this.write(`… ${what}: still loading, ${Math.round((performance.now() - since) / 1000)} s`);
  }
}
