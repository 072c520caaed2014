import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Inject, Injectable, Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { ServingError } from '@mserve/wire';
import { IsInt, Max, Min } from 'class-validator';
import { firstValueFrom, of } from 'rxjs';
import { startNatsServer, type NatsServer } from '../../../../test/support/nats-server.js';
import type { Bus } from '../bus.js';
import { MemoryExchange } from '../memory/memory-exchange.js';
import { NatsBus } from '../nats/nats-bus.js';
import { BUS, BusClient, BusContext, BusServer, ControlMessages, WorkerHelloDto, maxControlBytes } from './index.js';

class HalveDto {
  @IsInt()
  @Min(0)
  @Max(1000)
  readonly number!: number;
}

@Injectable()
class Heard {
  readonly hellos: WorkerHelloDto[] = [];
  onHello: () => void = () => undefined;
}

@Controller()
@ControlMessages()
class HalfController {
  constructor(
    @Inject(BUS) private readonly bus: Bus,
    @Inject(Heard) private readonly heard: Heard,
  ) {}

  @MessagePattern('half.of')
  halve(@Payload() { number }: HalveDto, @Ctx() context: BusContext): { half: number; at: string; subject: string } {
    if (number % 2 === 1) throw new ServingError('NOT_FOUND', `${number} has no half`);
    return { half: number / 2, at: this.bus.address, subject: context.getSubject() };
  }

  @MessagePattern('half.later')
  later(@Body() _body: unknown): unknown {
    return of('later');
  }

  @MessagePattern('half.nothing')
  nothing(): void {}

  @MessagePattern('half.broken')
  broken(): void {
    throw new Error('/a/path');
  }

  @EventPattern('workers.hello')
  hello(@Payload() hello: WorkerHelloDto): void {
    this.heard.hellos.push(hello);
    this.heard.onHello();
  }
}

let nats: NatsServer | undefined;

describe.each([
  [
    'MemoryBus',
    async (): Promise<(role: string) => Promise<Bus>> => {
      const exchange = new MemoryExchange({ report: () => undefined });
      return async (role) => exchange.connect(role);
    },
  ],
  [
    'NatsBus',
    async (): Promise<(role: string) => Promise<Bus>> => {
      const server = (nats = await startNatsServer());
      return (role) => NatsBus.connect({ servers: server.url, role, report: () => undefined });
    },
  ],
])('control messages through Nest over %s', (_, start) => {
  let app: INestMicroservice;
  let served: Bus;
  let asking: Bus;
  let client: BusClient;
  const heard = new Heard();

  beforeEach(async () => {
    const connect = await start();
    served = await connect('worker');
    asking = await connect('scheduler');
    @Module({
      controllers: [HalfController],
      providers: [
        { provide: BUS, useValue: served },
        { provide: BusClient, useValue: new BusClient(served) },
        { provide: Heard, useValue: heard },
      ],
    })
    class HalfModule {}
    app = await NestFactory.createMicroservice(HalfModule, { strategy: new BusServer(served), logger: false });
    await app.listen();
    client = new BusClient(asking);
    await served.request(served.address, 'half.nothing', new Uint8Array(0));
  });
  afterEach(async () => {
    await app.close();
    await served.close();
    await asking.close();
    await nats?.stop();
    nats = undefined;
  });

  it('answers at an address and anywhere', async () => {
    expect(await firstValueFrom(client.to(served.address).send('half.of', { number: 4 }))).toEqual({
      half: 2,
      at: served.address,
      subject: 'half.of',
    });
    expect(await firstValueFrom(client.send('half.of', { number: 6 }))).toMatchObject({ half: 3 });
    expect(await firstValueFrom(client.send('half.later', {}))).toBe('later');
    expect(await firstValueFrom(client.send('half.nothing', {}))).toBeNull();
  });

  it('sends back the ServingError of a handler, and nothing of any other error', async () => {
    await expect(firstValueFrom(client.send('half.of', { number: 3 }))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: '3 has no half',
    });
    await expect(firstValueFrom(client.send('half.broken', {}))).rejects.toMatchObject({ code: 'INTERNAL', message: 'internal error' });
    await expect(firstValueFrom(client.send('half.unknown', {}))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it.each([
    [{ number: 'four' }, /^number: /],
    [{ number: 1001 }, /^number: /],
    [{}, /^number: /],
  ])('refuses %j naming the field', async (body, text) => {
    await expect(firstValueFrom(client.send('half.of', body))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(text),
    });
  });

  it.each([
    ['no JSON', new TextEncoder().encode('{"number":')],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ['too large', new Uint8Array(maxControlBytes + 1).fill(0x20)],
  ])('refuses a body that is %s', async (__, body) => {
    await expect(asking.request(served.address, 'half.of', body, { timeoutMs: 10_000 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('hears broadcasts, and goes on after a malformed one', async () => {
    heard.hellos.length = 0;
    const hello = { address: 'worker-1', epoch: 5, revision: 1, leaving: false };
    const came = new Promise<void>((resolve) => (heard.onHello = resolve));
    asking.broadcast('workers.hello', new TextEncoder().encode('{'));
    asking.broadcast('workers.hello', new TextEncoder().encode('{"address":"a b"}'));
    client.emit('workers.hello', hello);
    await came;
    expect(heard.hellos).toEqual([hello]);
    expect(heard.hellos[0]).toBeInstanceOf(WorkerHelloDto);
  });

  it('stops answering when the app closes, and leaves the bus open', async () => {
    await app.close();
    expect(served.state).toBe('up');
    await expect(served.request(served.address, 'half.of', new Uint8Array(0))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
