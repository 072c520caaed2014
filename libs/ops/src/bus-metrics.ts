import type { Bus } from '@mserve/bus';
import type { Label, MetricDeclaration, MetricRegistry } from '@mserve/metrics';

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

/** Shows a connection to the bus whenever the registry is read. To be called once for each. */
export function showBus(registry: MetricRegistry, role: BusRole, bus: Pick<Bus, 'state' | 'dropped' | 'heldBytes' | 'onState'>): void {
  const up = registry.gauge(busMetrics.up).of([role]);
  const outages = registry.counter(busMetrics.outages).of([role]);
  const dropped = registry.counter(busMetrics.dropped).of([role]);
  const held = registry.gauge(busMetrics.held).of([role]);
  let counted = 0;
  bus.onState((state) => {
    if (state === 'down') outages.add();
  });
  registry.beforeRead(() => {
    up.set(bus.state === 'up' ? 1 : 0);
    held.set(bus.heldBytes);
    const now = bus.dropped ?? 0;
    dropped.add(now - counted);
    counted = now;
  });
}
