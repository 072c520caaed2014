import { messageWays, type Bus } from '@mserve/bus';
import type { Label, MetricDeclaration, MetricRegistry } from '@mserve/metrics';
import { follow } from './follow.js';

const roles = ['gateway', 'scheduler', 'worker'] as const;

/** What a process has on the bus. */
export type BusRole = (typeof roles)[number];

/** Which of the connections of a process. */
export const roleLabel: Label = { name: 'role', values: roles };

const labels: readonly Label[] = [roleLabel];

/** What every process tells of its connections to the bus. */
export const busMetrics = {
  up: { name: 'mserve_bus_up', help: '1 while the connection to the bus is up, else 0; by role.', labels },
  outages: { name: 'mserve_bus_outages_total', help: 'Times that the connection to the bus was lost, by role.', labels },
  dropped: {
    name: 'mserve_bus_dropped_messages_total',
    help: 'Messages of the bus that were dropped because they could not be understood, by role.',
    labels,
  },
  held: { name: 'mserve_bus_held_bytes', help: 'Bytes of tensors that are held for others until they fetched them, by role.', labels },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** Whose end of a ring a process has: read = others write to it, written = this process writes to it. */
const ringEnds = ['read', 'written'] as const;

/** What processes of a fleet tell of the ways that their messages take. */
export const channelMetrics = {
  sent: {
    name: 'mserve_bus_sent_messages_total',
    help: 'Messages that were sent to channels of other processes, by role and way: ring (in memory of the machine), server (over NATS).',
    labels: [roleLabel, { name: 'way', values: messageWays }],
  },
  rings: {
    name: 'mserve_bus_rings',
    help: 'Rings in memory of the machine that are open now, by role and end: read (others write to them), written (this process does).',
    labels: [roleLabel, { name: 'end', values: ringEnds }],
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** Shows a connection to the bus whenever the registry is read. To be called once for each. */
export function showBus(
  registry: MetricRegistry,
  role: BusRole,
  bus: Pick<Bus, 'state' | 'dropped' | 'heldBytes' | 'traffic' | 'onState'>,
): void {
  const up = registry.gauge(busMetrics.up).of([role]);
  const outages = registry.counter(busMetrics.outages).of([role]);
  const held = registry.gauge(busMetrics.held).of([role]);
  const tellDropped = follow(registry.counter(busMetrics.dropped).of([role]), () => bus.dropped ?? 0);
  bus.onState((state) => {
    if (state === 'down') outages.add();
  });
  registry.beforeRead(() => {
    up.set(bus.state === 'up' ? 1 : 0);
    held.set(bus.heldBytes);
    tellDropped();
  });
  if (bus.traffic !== undefined) showTraffic(registry, role, bus);
}

function showTraffic(registry: MetricRegistry, role: BusRole, bus: Pick<Bus, 'traffic'>): void {
  const sent = registry.counter(channelMetrics.sent);
  const tellSent = messageWays.map((way) => follow(sent.of([role, way]), () => bus.traffic?.sent[way] ?? 0));
  const rings = registry.gauge(channelMetrics.rings);
  const [read, written] = [rings.of([role, 'read']), rings.of([role, 'written'])];
  registry.beforeRead(() => {
    for (const tell of tellSent) tell();
    read.set(bus.traffic?.ringsRead ?? 0);
    written.set(bus.traffic?.ringsWritten ?? 0);
  });
}
