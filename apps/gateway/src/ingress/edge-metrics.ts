import { Inject, Injectable } from '@nestjs/common';
import { MetricRegistry, type Count, type Label, type MetricDeclaration, type Series } from '@mserve/metrics';
import { connectionRefusals, Ingress, type ConnectionRefusal, type PortEvents } from '../edge/ingress.js';

const port: Label = { name: 'port', values: ['rest', 'grpc'] };

/** What is told of the public ports. */
export const edgeMetrics = {
  connections: { name: 'mserve_gateway_connections', help: 'Open connections, by port.', labels: [port] },
  opened: { name: 'mserve_gateway_connections_opened_total', help: 'Connections that were accepted, by port.', labels: [port] },
  refused: {
    name: 'mserve_gateway_connections_refused_total',
    help: 'Connections that were ended over a limit, or because what they brought was no request, by port and reason.',
    labels: [port, { name: 'reason', values: connectionRefusals }],
  },
  inFlight: {
    name: 'mserve_gateway_exchanges_in_flight',
    help: 'Infer requests that are being received, are in hand, or whose answer is not written out.',
  },
  buffered: {
    name: 'mserve_gateway_buffered_bytes',
    help: 'Bytes of bodies that are held for requests, by port: what maxBufferedMb bounds.',
    labels: [port],
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** Counts the connections of the public ports. */
@Injectable()
export class EdgeMetrics {
  private readonly refused: Series<Count>;

  constructor(
    @Inject(MetricRegistry) private readonly registry: MetricRegistry,
    @Inject(Ingress) ingress: Ingress,
  ) {
    this.refused = registry.counter(edgeMetrics.refused);
    const inFlight = registry.gauge(edgeMetrics.inFlight).of([]);
    const buffered = registry.gauge(edgeMetrics.buffered);
    registry.beforeRead(() => {
      inFlight.set(ingress.inFlight);
      const { rest, grpc } = ingress.bufferedBytes;
      buffered.of(['rest']).set(rest);
      buffered.of(['grpc']).set(grpc);
    });
  }

  /** To be given to a port. */
  of(name: 'rest' | 'grpc'): Required<Pick<PortEvents, 'onConnection' | 'onConnectionRefused'>> {
    const connections = this.registry.gauge(edgeMetrics.connections).of([name]);
    const opened = this.registry.counter(edgeMetrics.opened).of([name]);
    return {
      onConnection: (socket) => {
        opened.add();
        connections.add(1);
        socket.once('close', () => connections.add(-1));
      },
      onConnectionRefused: (reason: ConnectionRefusal) => this.refused.of([name, reason]).add(),
    };
  }
}
