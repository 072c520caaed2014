import type { AppLog } from '@mserve/app';
import {
  BusTensorStore,
  DirectReader,
  tensorDetours,
  tensorWays,
  type Bus,
  type DirectServer,
  type SharedMemory,
  type TensorDetour,
} from '@mserve/bus';
import type { MetricDeclaration, MetricRegistry } from '@mserve/metrics';
import { roleLabel, type BusRole } from './bus-metrics.js';
import { follow } from './follow.js';

/** What processes of a fleet tell of the ways that tensors take between them. */
export const tensorMetrics = {
  bytes: {
    name: 'mserve_tensor_bytes_total',
    help: 'Bytes of tensors that were read from other processes, by role and way: inline (in a message), shared (in memory of the machine), direct (from their owner over TCP), bus (fetched over NATS).',
    labels: [roleLabel, { name: 'way', values: tensorWays }],
  },
  detours: {
    name: 'mserve_tensor_detours_total',
    help: 'Times that tensors took another way than the best, by role and reason: no-room (shared memory is full), apart (the reader is on another machine or of another user), gone (given up before they were read), unreachable (their owner at tensorAddress).',
    labels: [roleLabel, { name: 'reason', values: tensorDetours }],
  },
  size: { name: 'mserve_shared_memory_bytes', help: 'Size of the memory that this process shares, by role; 0: none.', labels: [roleLabel] },
  used: {
    name: 'mserve_shared_memory_used_bytes',
    help: 'Bytes of it that are in use, or still read by others, by role.',
    labels: [roleLabel],
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** For the log, once for each process. */
const detourTexts: { readonly [Detour in TensorDetour]: string } = {
  'no-room': 'the shared memory is full: what does not fit goes over the bus (sharedMemoryMb)',
  apart: 'a process on another machine, or of another user, shares no memory with this one: large tensors go over TCP or the bus',
  unreachable: 'a process cannot be connected to at its tensorAddress: its tensors come over the bus',
  gone: 'tensors in shared memory were given up before they were read',
};

/** What no operator has to mend. */
const isAsUsual: { readonly [Detour in TensorDetour]: boolean } = { 'no-room': false, apart: true, gone: true, unreachable: false };

interface FleetStoreOptions {
  readonly memory: SharedMemory | undefined;
  /** Where others take tensors from this process. */
  readonly server: DirectServer | undefined;
  readonly fromBytes: number;
  readonly log: AppLog;
  readonly metrics: MetricRegistry;
}

/** The tensor store of a process of a fleet. Its counts are shown whenever the registry is read; the first detour of each kind is logged. */
export function fleetStore(bus: Bus, role: BusRole, { memory, server, fromBytes, log, metrics }: FleetStoreOptions): BusTensorStore {
  const onDetour = (detour: TensorDetour): void => log[isAsUsual[detour] ? 'info' : 'warn']({ role }, detourTexts[detour]);
  const store = new BusTensorStore(bus, { memory, fromBytes, direct: new DirectReader(), directPlace: server?.placeOf(bus), onDetour });
  const ways = tensorWays.map((way) => follow(metrics.counter(tensorMetrics.bytes).of([role, way]), () => store.counts.bytes[way]));
  const detours = tensorDetours.map((reason) =>
    follow(metrics.counter(tensorMetrics.detours).of([role, reason]), () => store.counts.detours[reason]),
  );
  const used = metrics.gauge(tensorMetrics.used).of([role]);
  metrics
    .gauge(tensorMetrics.size)
    .of([role])
    .set(memory?.sizeBytes ?? 0);
  metrics.beforeRead(() => {
    for (const tell of [...ways, ...detours]) tell();
    used.set(memory?.usedBytes ?? 0);
  });
  return store;
}
