import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Bus, Subscription } from '@mserve/bus';
import { BUS } from '@mserve/bus/nest';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { SchedulerWatch } from '../catalog/scheduler-watch.js';

/** Whether this gateway should get requests: the bus is up, a scheduler is alive, at least one servable is ready, it is not leaving, and no more servables are to come. */
@Injectable()
export class Readiness implements OnModuleInit, OnApplicationShutdown {
  private readonly listeners = new Set<(ready: boolean) => void>();
  private readonly subscriptions: Subscription[] = [];
  private leaving = false;
  private last = false;

  constructor(
    @Inject(BUS) private readonly bus: Bus,
    @Inject(SchedulerWatch) private readonly schedulers: SchedulerWatch,
    @Inject(MethodCatalog) private readonly catalog: MethodCatalog,
  ) {}

  onModuleInit(): void {
    const refresh = (): void => this.refresh();
    this.subscriptions.push(this.bus.onState(refresh), this.schedulers.onChange(refresh), this.catalog.onUpdate(refresh));
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

  onApplicationShutdown(): void {
    for (const subscription of this.subscriptions.splice(0)) subscription.unsubscribe();
    this.listeners.clear();
  }

  private refresh(): void {
    const ready = this.isReady;
    if (ready === this.last) return;
    this.last = ready;
    for (const listener of [...this.listeners]) listener(ready);
  }
}
