import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { DynamicModule } from '@nestjs/common';
import { createLog, NestLog, type AppLog } from '@mserve/app';
import type { Bus, TensorStore } from '@mserve/bus';
import { BusServer } from '@mserve/bus/nest';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { gatewayBus } from './edge/tokens.js';
import { Gateway } from './gateway.js';
import type { GatewayOptions } from './gateway-options.js';
import { GatewayModule } from './gateway.module.js';
import { shortened } from './health/serving-error.filter.js';
import { maxHeadBytes } from './ingress/http-front.js';
import { isInferContentType } from './ingress/http-route.js';
import { ApiDocs } from './openapi/api-docs.js';

/** A gateway that runs as an application of its own. */
export interface RunningGateway {
  readonly gateway: Gateway;
  /**
   * Not ready from now on, takes no new connections, answers what is in hand (for at most `graceMs`, default 30 000), then ends.
   * Resolves with the number of requests that were cut off (they got UNAVAILABLE). Bus and store stay the caller's to close.
   */
  close(graceMs?: number): Promise<number>;
}

/** Nest's HTTP side as a gateway needs it: it has no port of its own, and words its own errors as all others are. */
export function createHttpAdapter(): FastifyAdapter {
  // Names are as long as the head allows: Fastify's own 100 characters are less than a servable and a method may have
  const routerOptions = { ignoreTrailingSlash: true, maxParamLength: maxHeadBytes };
  const adapter = new FastifyAdapter({ frameworkErrors, routerOptions });
  adapter.getInstance<FastifyInstance>().addHook('onRequest', readAsJson);
  return adapter;
}

/** Bodies are JSON whatever they are called, unless they are called by another format's name: tritonclient says nothing, curl -d says form-urlencoded. */
function readAsJson({ raw: { headers } }: FastifyRequest, _reply: unknown, done: () => void): void {
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (hasBody && isInferContentType(headers['content-type'])) headers['content-type'] = 'application/json';
  done();
}

/** Fastify's own errors, which never get as far as Nest: URLs that cannot be decoded. */
function frameworkErrors(error: { readonly statusCode?: number; readonly message: string }, _request: unknown, reply: FastifyReply): void {
  void reply.status(error.statusCode ?? 400).send({ error: shortened(error.message) });
}

/**
 * Starts a gateway on a bus: opens the ports that the options name and serves as soon as a scheduler is heard.
 * Rejects (with nothing left running) when an address is wrong or taken.
 */
export async function startGateway(bus: Bus, store: TensorStore, options: GatewayOptions = {}): Promise<RunningGateway> {
  const log = options.log ?? createLog('warn', 'gateway');
  return runGateway(bus, GatewayModule.register({ bus, store, options, log }), log);
}

/** As {@link startGateway}, of a module that is made already. */
export async function runGateway(bus: Bus, module: DynamicModule, log: AppLog): Promise<RunningGateway> {
  const app = await NestFactory.create<NestFastifyApplication>(module, createHttpAdapter(), {
    logger: new NestLog(log),
    abortOnError: false,
  });
  const gateway = app.get(Gateway);
  let closing: Promise<number> | undefined;
  const close = async (graceMs: number): Promise<number> => {
    gateway.leave(graceMs);
    await app.close();
    return gateway.cutOff;
  };
  try {
    app.get(ApiDocs).describe(app);
    app.connectMicroservice<MicroserviceOptions>({ strategy: new BusServer(bus, gatewayBus) });
    await app.startAllMicroservices();
    await app.init();
  } catch (error) {
    await close(0);
    throw error;
  }
  return { gateway, close: (graceMs = 30_000) => (closing ??= close(graceMs)) };
}
