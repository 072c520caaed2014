import { Inject, Injectable, Module, type DynamicModule, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { AppLog } from '@mserve/app';
import type { Bus, TensorStore } from '@mserve/bus';
import { DeviceWorker, DeviceWorkerModule, type DeviceWorkerOptions } from '@mserve/device-worker';
import { Gateway, GatewayModule, Models, type GatewayOptions } from '@mserve/gateway';
import type { MetricRegistry, Tracer } from '@mserve/metrics';
import { SchedulerModule, SchedulerService, type SchedulerOptions } from '@mserve/scheduler';

/** What the three rooms of one process run on. Buses and stores stay the caller's to close. */
export interface EmbeddedParts {
  readonly gateway: { readonly bus: Bus; readonly store: TensorStore; readonly options: GatewayOptions };
  readonly scheduler: { readonly bus: Bus; readonly options: Partial<SchedulerOptions> };
  readonly worker: { readonly bus: Bus; readonly store: TensorStore; readonly options: DeviceWorkerOptions };
  readonly log: AppLog;
  /** Where all three count. */
  readonly metrics: MetricRegistry;
  /** Gets the spans of all three. Default: none are made. */
  readonly tracer?: Tracer | undefined;
}

/**
 * Starts and ends the rooms of one process in order, by Nest's lifecycle hooks. This provider is the root module's: its `onApplicationBootstrap` comes
 * after the gateway's, which opens the ports, so a taken port is found before models are loaded. Its `onApplicationShutdown` comes after every
 * `beforeApplicationShutdown`, in which the gateway drains its ports; so the worker and the scheduler end when nobody asks them any more.
 */
@Injectable()
export class EmbeddedRooms implements OnApplicationBootstrap, OnApplicationShutdown {
  private graceMs = 30_000;
  private release: (() => void) | undefined;

  constructor(
    @Inject(Gateway) readonly gateway: Gateway,
    @Inject(SchedulerService) readonly scheduler: SchedulerService,
    @Inject(DeviceWorker) readonly worker: DeviceWorker,
    @Inject(Models) readonly models: Models,
  ) {}

  /** Nest calls it. Resolves when every replica is ready or failed; the gateway is not ready before {@link becomeReady}. */
  async onApplicationBootstrap(): Promise<void> {
    // Whoever asks for readiness means all servables, not the first
    this.release = this.gateway.holdReadiness();
    this.scheduler.start();
    await this.worker.start();
  }

  /** Resolves when each of these servable versions can be called. */
  async becomeReady(servables: readonly { readonly servable: string; readonly version: number }[]): Promise<void> {
    await this.gateway.whenServing(servables);
    this.release?.();
    this.release = undefined;
  }

  /** To be called before the application is closed: requests in hand may take `graceMs` more; without this call, 30 s. */
  leave(graceMs: number): void {
    this.graceMs = graceMs;
    this.gateway.leave(graceMs);
  }

  /** Nest calls it. */
  async onApplicationShutdown(): Promise<void> {
    await this.worker.close(this.graceMs);
    await this.scheduler.close(this.graceMs);
  }
}

/** Embedded: one Nest application that imports the modules of the three apps. Each room keeps a connection to the bus of its own. */
@Module({})
export class EmbeddedModule {
  static register({ gateway, scheduler, worker, log, metrics, tracer }: EmbeddedParts): DynamicModule {
    const observers = { metrics, tracer };
    return {
      module: EmbeddedModule,
      imports: [
        SchedulerModule.register({ ...scheduler, ...observers, log }),
        GatewayModule.register({ ...gateway, options: { ...gateway.options, ...observers }, log }),
        DeviceWorkerModule.register({ ...worker, options: { ...worker.options, ...observers } }),
      ],
      providers: [EmbeddedRooms],
    };
  }
}
