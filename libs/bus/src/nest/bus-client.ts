import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import type { Bus, RequestOptions } from '../bus.js';
import { encodeJson, parseJson } from './json.js';

/**
 * Nest's way to send control messages: `send` asks, `emit` broadcasts; patterns are subjects and topics of the bus, bodies JSON.
 *
 *     const catalog = await firstValueFrom(client.to(scheduler).send('catalog.list', {}));
 */
export class BusClient extends ClientProxy {
  constructor(
    private readonly bus: Bus,
    private readonly address?: string,
    private readonly options: RequestOptions = {},
  ) {
    super();
  }

  /** A client whose requests go to this participant; without one they go to anybody who answers the subject. */
  to(address: string, options: RequestOptions = this.options): BusClient {
    return new BusClient(this.bus, address, options);
  }

  /** The bus is connected by whoever made it. */
  async connect(): Promise<void> {}

  close(): void {}

  unwrap<T>(): T {
    return this.bus as T;
  }

  protected publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    let wanted = true;
    this.ask(packet).then(
      (response) => wanted && callback({ response, isDisposed: true }),
      (err: unknown) => wanted && callback({ err }),
    );
    return () => {
      wanted = false;
    };
  }

  protected async dispatchEvent<T>(packet: ReadPacket): Promise<T> {
    this.bus.broadcast(this.normalizePattern(packet.pattern as string), encodeJson(packet.data));
    return undefined as T;
  }

  private async ask(packet: ReadPacket): Promise<unknown> {
    return parseJson(
      await this.bus.request(this.address, this.normalizePattern(packet.pattern as string), encodeJson(packet.data), this.options),
    );
  }
}
