import { BaseRpcContext, Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import type { Bus, Subscription } from '../bus.js';
import { encodeJson, parseJson } from './json.js';

/** What a handler gets as its second argument (`@Ctx()`). */
export class BusContext extends BaseRpcContext<[string]> {
  /** The subject or topic, without prefix and address. */
  getSubject(): string {
    return this.getArgByIndex(0) as string;
  }
}

/**
 * Control messages as Nest handlers: `@MessagePattern('catalog.list')` answers requests, `@EventPattern('workers.hello')` hears broadcasts.
 * Bodies are JSON. The bus belongs to whoever made it: close() unsubscribes and leaves it open.
 *
 *     app.connectMicroservice({ strategy: new BusServer(bus) });
 */
export class BusServer extends Server implements CustomTransportStrategy {
  private readonly subscriptions: Subscription[] = [];

  /** With a `transport`, only handlers that name the same one (or none) are served: for applications that are on several buses. */
  constructor(
    private readonly bus: Pick<Bus, 'respond' | 'listen'>,
    transport?: symbol,
  ) {
    super();
    if (transport !== undefined) this.setTransportId(transport);
    this.initializeSerializer({});
    this.initializeDeserializer({});
  }

  /** Subscribes all handlers. A pattern that is not a name of the bus is a TypeError: a mistake in the source. */
  listen(callback: (error?: unknown) => void): void {
    try {
      for (const [pattern, handler] of this.getHandlers()) {
        const isEvent = handler.isEventHandler === true;
        this.subscriptions.push(
          isEvent ? this.listenTo(pattern) : this.bus.respond(pattern, (body) => this.answer(pattern, handler, body)),
        );
      }
    } catch (error) {
      return callback(error);
    }
    callback();
  }

  close(): void {
    for (const subscription of this.subscriptions.splice(0)) subscription.unsubscribe();
  }

  on(): never {
    throw new Error('BusServer has no events; see Bus.onState');
  }

  unwrap<T>(): T {
    return this.bus as T;
  }

  private listenTo(topic: string): Subscription {
    return this.bus.listen(topic, (body) => {
      const hear = async (): Promise<void> =>
        this.handleEvent(topic, { pattern: topic, data: parseJson(body) }, new BusContext([topic])) as Promise<void>;
      hear().catch((error: unknown) =>
        this.logger.warn(`a message on topic ${topic} was dropped: ${error instanceof Error ? error.message : String(error)}`),
      );
    });
  }

  /** Rejections reach the asker as ServingErrors (bus.respond sees to that). */
  private async answer(subject: string, handler: MessageHandler, body: Uint8Array): Promise<Uint8Array> {
    const answered: unknown = await handler(parseJson(body), new BusContext([subject]));
    return encodeJson(await lastValueFrom(this.transformToObservable(answered), { defaultValue: null }));
  }
}
