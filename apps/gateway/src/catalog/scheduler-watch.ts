import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Bus, SchedulerHello, Subscription } from '@mserve/bus';
import { BUS } from '@mserve/bus/nest';

/** A scheduler that said nothing for this long is taken for dead. */
const schedulerLostMs = 1_000;
/** How often ages are looked at. */
const tickMs = 250;

interface Known {
  readonly hello: SchedulerHello;
  /** Time since its last hello in which we could have heard one, in ms. */
  silentMs: number;
}

/**
 * Which schedulers are alive, and which of them gets our tickets: the lowest (epoch, address), so that all gateways choose the same one.
 * Silence counts only while our own event loop runs: after a stall the hellos are still waiting in the socket, and nobody is lost.
 */
@Injectable()
export class SchedulerWatch implements OnModuleInit, OnApplicationShutdown {
  private readonly known = new Map<string, Known>();
  private readonly listeners = new Set<(scheduler: string | undefined) => void>();
  private timer: NodeJS.Timeout | undefined;
  private chosen: SchedulerHello | undefined;
  private lastTickAt = performance.now();
  private busSubscription: Subscription | undefined;

  constructor(@Inject(BUS) private readonly bus: Pick<Bus, 'onState'>) {}

  onModuleInit(): void {
    this.lastTickAt = performance.now();
    this.timer = setInterval(() => this.tick(performance.now()), tickMs);
    this.timer.unref();
    // Whatever was on its way when the connection broke may be lost: whoever is heard after that is a new one to us
    this.busSubscription = this.bus.onState((state) => {
      if (state === 'up') return;
      this.known.clear();
      this.choose();
    });
  }

  /** Address of the scheduler that gets tickets, undefined when none is alive. */
  get current(): string | undefined {
    return this.chosen?.address;
  }

  /** Addresses of all that are heard. */
  get alive(): readonly string[] {
    return [...this.known.keys()];
  }

  /** Called when tickets go to another scheduler than before (also one restarted at the same address), or to none. */
  onChange(listener: (scheduler: string | undefined) => void): Subscription {
    this.listeners.add(listener);
    return { unsubscribe: () => void this.listeners.delete(listener) };
  }

  heard(hello: SchedulerHello): void {
    if (hello.leaving) this.known.delete(hello.address);
    else this.known.set(hello.address, { hello, silentMs: 0 });
    this.choose();
  }

  /** It did not take a message: it gets none until its next hello. */
  suspect(address: string): void {
    if (this.known.delete(address)) this.choose();
  }

  /** Ages everybody; called by the own timer. A late tick counts as one: hellos may wait behind it. */
  tick(now: number): void {
    const heardMs = Math.min(now - this.lastTickAt, tickMs);
    this.lastTickAt = now;
    let lost = false;
    for (const [address, known] of this.known) {
      known.silentMs += heardMs;
      if (known.silentMs <= schedulerLostMs) continue;
      this.known.delete(address);
      lost = true;
    }
    if (lost) this.choose();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    this.busSubscription?.unsubscribe();
    this.listeners.clear();
  }

  private choose(): void {
    let best: SchedulerHello | undefined;
    for (const { hello } of this.known.values()) {
      if (best === undefined || hello.epoch < best.epoch || (hello.epoch === best.epoch && hello.address < best.address)) best = hello;
    }
    const before = this.chosen;
    this.chosen = best;
    if (best?.address === before?.address && best?.epoch === before?.epoch) return;
    for (const listener of [...this.listeners]) listener(best?.address);
  }
}
