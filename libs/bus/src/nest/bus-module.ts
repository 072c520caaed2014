import { Module, type DynamicModule } from '@nestjs/common';
import type { Bus } from '../bus.js';
import type { TensorStore } from '../tensor-store.js';
import { BusClient } from './bus-client.js';

/** Inject the Bus: `@Inject(BUS) bus: Bus`. */
export const BUS = Symbol('mserve.bus');
/** Inject the TensorStore: `@Inject(TENSOR_STORE) store: TensorStore`. */
export const TENSOR_STORE = Symbol('mserve.tensor-store');

/** Gives an app its bus, tensor store and BusClient. They belong to the composition root, which drains and closes the bus. */
@Module({})
export class BusModule {
  static forBus(bus: Bus, store: TensorStore): DynamicModule {
    return {
      module: BusModule,
      global: true,
      providers: [
        { provide: BUS, useValue: bus },
        { provide: TENSOR_STORE, useValue: store },
        { provide: BusClient, useValue: new BusClient(bus) },
      ],
      exports: [BUS, TENSOR_STORE, BusClient],
    };
  }
}
