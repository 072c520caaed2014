import type { Bus, Subscription } from '@mserve/bus';
import type { MethodCatalog } from '../catalog/method-catalog.js';
import type { SchedulerWatch } from '../catalog/scheduler-watch.js';

/** Whether this gateway should get requests: the bus is up, a scheduler is alive, at least one servable is ready, it is not leaving, and no more servables are to come. */
export class Readiness {
  private readonly listeners = new Set<(ready: boolean) => void>();
  private readonly subscriptions: Subscription[];
  private leaving = false;
  private last = false;

  constructor(
    private readonly bus: Bus,
    private readonly schedulers: SchedulerWatch,
    private readonly catalog: MethodCatalog,
  ) {
    const refresh = (): void => this.refresh();
    this.subscriptions = [bus.onState(refresh), schedulers.onChange(refresh), catalog.onUpdate(refresh)];
    this.refresh();
  }

  get isReady(): boolean {
    return (
      !this.leaving &&
      !this.catalog.isHeld &&
      this.bus.state === 'up' &&
      this.schedulers.current !== undefined &&
      this.catalog.ready.length > 0
    );
  }

  /** Not ready from now on, for good. */
  leave(): void {
    this.leaving = true;
    this.refresh();
  }

  /** Called at every change. */
  onChange(listener: (ready: boolean) => void): Subscription {
    this.listeners.add(listener);
    return { unsubscribe: () => void this.listeners.delete(listener) };
  }

  close(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
    this.listeners.clear();
  }

  private refresh(): void {
    const ready = this.isReady;
    if (ready === this.last) return;
    this.last = ready;
    for (const listener of [...this.listeners]) listener(ready);
  }
}
