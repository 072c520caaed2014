import { setting } from './setting.js';
import { whole } from './shape.js';

/** Timers of Node hold 2^31 - 1 ms; no limit of ours has to be longer than a day. */
export const dayMs = 86_400_000;

const gateway = ['gateway'] as const;

/** The limits of the public ports. */
export const portSettings = {
  maxConnections: setting(whole(1, 1_000_000), {
    doc: 'connections of one port at a time; what further ones get is in docs/limits.md',
    apps: gateway,
    default: 10_000,
  }),
  maxConcurrentStreams: setting(whole(1, 1_000_000), { doc: 'gRPC calls at a time on one connection', apps: gateway, default: 4_096 }),
  maxBufferedMb: setting(whole(1, 1_048_576), {
    doc: 'bodies held at a time, all requests of one port together, never less than one message; further requests are refused',
    apps: gateway,
    default: 1_024,
    unit: 'MiB',
  }),
  maxBodyChunks: setting(whole(1, 16_777_216), { doc: 'the most pieces of a chunked REST body', apps: gateway, default: 65_536 }),
  maxRequestInstances: setting(whole(1, 16_777_216), {
    doc: 'the most instances of one request; maxQueuedInstances bounds it, too',
    apps: gateway,
    default: 65_536,
  }),
  maxTensorStrings: setting(whole(1, 268_435_456), {
    doc: 'the most strings of one tensor of a request',
    apps: gateway,
    default: 1_000_000,
  }),
  maxJsonDepth: setting(whole(8, 10_000), { doc: 'how deep arrays and objects of a JSON body may be nested', apps: gateway, default: 100 }),
  headersTimeoutMs: setting(whole(1, dayMs), {
    doc: 'how long the headers of a request may take; as a default never longer than requestTimeoutMs',
    apps: gateway,
    default: 10_000,
    unit: 'ms',
  }),
  requestTimeoutMs: setting(whole(1, dayMs), {
    doc: 'in every such span a body that is still arriving must bring what minBodyBytesPerSecond asks for, or its end',
    apps: gateway,
    default: 30_000,
    unit: 'ms',
  }),
  minBodyBytesPerSecond: setting(whole(1, 1_073_741_824), {
    doc: 'the slowest that a body may arrive, on average over requestTimeoutMs',
    apps: gateway,
    default: 1_024,
    unit: 'bytes/s',
  }),
  keepAliveTimeoutMs: setting(whole(1, dayMs), {
    doc: 'how long an idle REST connection is kept',
    apps: gateway,
    default: 65_000,
    unit: 'ms',
  }),
  writeTimeoutMs: setting(whole(1, dayMs), {
    doc: 'a client that takes nothing of its answer for this long is cut off',
    apps: gateway,
    default: 30_000,
    unit: 'ms',
  }),
  lingerMs: setting(whole(1, 60_000), {
    doc: 'how long the rest of a refused body is read and dropped, so that the client sees the refusal',
    apps: gateway,
    default: 2_000,
    unit: 'ms',
  }),
  maxConnectionAgeMs: setting(whole(0, dayMs), {
    doc: 'age at which a connection is ended with its next answer (Connection: close, over gRPC GOAWAY), give or take a tenth, so that a balancer spreads clients anew; 0 = never',
    apps: gateway,
    default: 0,
    unit: 'ms',
  }),
  maxConnectionAgeGraceMs: setting(whole(0, dayMs), {
    doc: 'how long streams may go on over a gRPC connection that has reached maxConnectionAgeMs; what is in hand then is still answered',
    apps: gateway,
    default: 30_000,
    unit: 'ms',
  }),
  drainDelayMs: setting(whole(0, 3_600_000), {
    doc: 'how long a gateway that is asked to end goes on taking requests, not ready and ending each connection with its next answer, before it closes its ports; part of graceMs; not when nothing was ever asked of it',
    apps: gateway,
    default: 5_000,
    serverDefault: 0,
    fleetDefault: 1_000,
    unit: 'ms',
  }),
  catalogWaitMs: setting(whole(0, dayMs), {
    doc: 'how long a gateway that starts waits to be ready before it opens its ports nevertheless',
    apps: gateway,
    default: 10_000,
    unit: 'ms',
    alone: true,
  }),
  drainReceiveMs: setting(whole(0, 3_600_000), {
    doc: 'how long a request may still take to arrive when the gateway is asked to end',
    apps: gateway,
    default: 5_000,
    unit: 'ms',
  }),
};
