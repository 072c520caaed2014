import { LocalTensorStore, MemoryExchange } from '@mserve/bus';
import { ServingError } from '@mserve/wire';
import { startDeviceWorker } from '@mserve/device-worker';
import { startGateway } from '@mserve/gateway';
import { startScheduler } from '@mserve/scheduler';

export interface ServableChoice {
  readonly name: string;
  /** 0 = the highest version there is. */
  readonly version: number;
}

export interface ServerOptions {
  /** Directory that holds one folder per servable. */
  readonly directory: string;
  /** Default: every servable in the directory, latest version. */
  readonly servables?: readonly ServableChoice[] | undefined;
  /** A replica of every servable on each. Default [0]. */
  readonly deviceIds?: readonly number[] | undefined;
  /** `host:port`; port 0 = any free one. Default 127.0.0.1:1500. */
  readonly rest?: string | undefined;
  /** `host:port` or `unix:path`. Default 127.0.0.1:5500. */
  readonly grpc?: string | undefined;
  /** Default 100 MiB; 1 to 512 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** `memory` (default), or the address of a NATS server. */
  readonly bus?: string | undefined;
  /** Threads per replica for functions. Default 1. */
  readonly numParallelWorkers?: number | undefined;
  /** Threads inside one native run. Default: what the worker decides. */
  readonly intraOpThreads?: number | undefined;
  readonly legacyStatus200?: boolean | undefined;
  /** One line per step of loading, for people. */
  readonly onProgress?: ((line: string) => void) | undefined;
}

export interface RunningServable {
  readonly servable: string;
  readonly version: number;
  readonly methods: readonly string[];
}

export interface RunningServer {
  /** Bound address, `host:port`. */
  readonly rest: string;
  /** Bound address, `host:port` or `unix:path`. */
  readonly grpc: string;
  readonly servables: readonly RunningServable[];
  /** Stops taking requests, finishes those in hand (at most graceMs, default 30 000), then ends everything. */
  close(graceMs?: number): Promise<void>;
}
