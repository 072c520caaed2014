import { ServingError } from '@mserve/wire';
import type { MethodDescription } from './description.js';
import { readOptions } from './check-options.js';
import type { CallOptions, ClientOptions } from './options.js';
import { withRetries } from './retry.js';
import type { InputsOf, MethodName, OutputsOf, ServableName } from './servables.js';
import { abortedError } from './status.js';
import type { NamedTensors, ReadyModel, Transport } from './transport.js';
import { openTransport } from './transports/open.js';
import { tensorOf, valueOf, type ClientInput, type ClientOutput } from './value.js';

/** One answer of {@link Client.inferMany}. */
export type ManyResult<O> =
  | { readonly index: number; readonly outputs: O; readonly error?: undefined }
  | { readonly index: number; readonly outputs?: undefined; readonly error: ServingError };

const defaultConcurrency = 16;
/** Descriptions that are kept. */
const maxDescriptions = 1_000;

/**
 * Calls the methods of an mserve server. One client may be used by any number of calls at a time; it keeps its connections until {@link close}.
 *
 *     const client = new Client('http://127.0.0.1:1500');   // or grpc://127.0.0.1:5500, unix:/run/mserve.sock, nats://127.0.0.1:4222
 *     const { label } = await client.infer('digits', 'classify', { image: await readFile('7.png') });
 */
export class Client {
  private readonly opening: () => Promise<Transport>;
  private opened: Promise<Transport> | undefined;
  private readonly descriptions = new Map<string, Promise<MethodDescription>>();
  private readonly timeoutMs: number;
  private readonly retries: number;
  private readonly closing = new AbortController();

  /**
   * `address`: `http://host:port` and `https://` (REST), `grpc://` and `grpcs://` and `unix:PATH` (gRPC), `nats://` and `tls://` (the bus of a fleet).
   * Connects with the first call. ServingError INVALID_ARGUMENT for an address or option that is none.
   */
  constructor(address: string, options: ClientOptions = {}) {
    const { timeoutMs, retries } = readOptions(options);
    this.timeoutMs = timeoutMs;
    this.retries = retries;
    this.opening = openTransport(address, options, timeoutMs);
  }

  /**
   * Infers one instance: inputs and outputs by name. Rejects with a ServingError; its code says whose fault it was (docs/client.md).
   */
  async infer<S extends ServableName, M extends MethodName<S>>(
    servable: S,
    method: M,
    inputs: InputsOf<S, M>,
    options: CallOptions = {},
  ): Promise<OutputsOf<S, M>> {
    const { version, requestId, traceparent, tracestate } = options;
    return this.within(options, async (transport, signal, deadlineAt) => {
      const description = await this.described(transport, servable, method, version, signal);
      const tensors = this.tensorsOf(description, inputs as Readonly<Record<string, ClientInput | undefined>>);
      const timeoutMs = Math.max(1, deadlineAt - performance.now());
      const result = await transport
        .infer({ description, version, inputs: tensors, requestId, traceparent, tracestate, timeoutMs, signal })
        .catch((thrown: unknown) => {
          // The method may be another one by now
          if (thrown instanceof ServingError && (thrown.code === 'INVALID_ARGUMENT' || thrown.code === 'NOT_FOUND'))
            this.descriptions.delete(keyOf(servable, method, version));
          throw thrown;
        });
      if (version === undefined && result.version !== description.version) this.descriptions.delete(keyOf(servable, method, version));
      const declared = new Map(description.outputs.map((output) => [output.name, output.dtype]));
      const outputs: Record<string, ClientOutput> = {};
      for (const [name, tensor] of result.outputs) outputs[name] = valueOf(tensor, declared.get(name));
      return outputs as OutputsOf<S, M>;
    });
  }

  /**
   * Infers a stream of instances, `concurrency` (default 16) at a time; the server makes batches of them. Gives results in the order in which they come, each
   * with the index of its instance; one that failed has an `error`, and the others go on. No more instances are taken from `source` than are on their way.
   */
  async *inferMany<S extends ServableName, M extends MethodName<S>>(
    servable: S,
    method: M,
    source: Iterable<InputsOf<S, M>> | AsyncIterable<InputsOf<S, M>>,
    options: CallOptions & { readonly concurrency?: number | undefined } = {},
  ): AsyncGenerator<ManyResult<OutputsOf<S, M>>, void, undefined> {
    const { concurrency = defaultConcurrency } = options;
    if (!Number.isSafeInteger(concurrency) || concurrency < 1)
      throw new ServingError('INVALID_ARGUMENT', `concurrency is ${concurrency}, a whole number from 1 is expected`);
    const instances = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    const onTheirWay = new Map<number, Promise<ManyResult<OutputsOf<S, M>>>>();
    let index = 0;
    let isOver = false;
    try {
      for (;;) {
        while (!isOver && onTheirWay.size < concurrency) {
          const next = await instances.next();
          if (next.done === true) {
            isOver = true;
            break;
          }
          const at = index++;
          const called = this.infer(servable, method, next.value, options).then(
            (outputs) => ({ index: at, outputs }),
            (thrown: unknown) => ({ index: at, error: ServingError.from(thrown) }),
          );
          onTheirWay.set(at, called);
        }
        if (onTheirWay.size === 0) return;
        const result = await Promise.race(onTheirWay.values());
        onTheirWay.delete(result.index);
        yield result;
      }
    } finally {
      if (!isOver) await instances.return?.();
    }
  }

  /** What a method takes and gives now. Calls that follow need not ask for it. */
  describe(servable: string, method: string, options: CallOptions = {}): Promise<MethodDescription> {
    const { version } = options;
    return this.within(options, async (transport, signal) => {
      const description = await transport.describe(servable, method, version, signal);
      this.remember(keyOf(servable, method, version), Promise.resolve(description));
      return description;
    });
  }

  /** The methods that are ready, of each version. */
  list(options: CallOptions = {}): Promise<readonly ReadyModel[]> {
    return this.within(options, (transport, signal) => transport.list(signal));
  }

  /** Ends the connections. Calls that are on their way reject with CANCELLED. */
  async close(): Promise<void> {
    this.closing.abort(new ServingError('CANCELLED', 'the client was closed'));
    const { opened } = this;
    this.opened = undefined;
    const transport = await opened?.catch(() => undefined);
    await transport?.close();
  }

  /** Runs a call with its deadline and signal, and tries it again where that is safe. */
  private async within<T>(
    { timeoutMs = this.timeoutMs, signal }: CallOptions,
    call: (transport: Transport, signal: AbortSignal, deadlineAt: number) => Promise<T>,
  ): Promise<T> {
    const deadlineAt = performance.now() + readOptions({ timeoutMs }).timeoutMs;
    const signals = [this.closing.signal, AbortSignal.timeout(Math.ceil(timeoutMs)), ...(signal === undefined ? [] : [signal])];
    const any = AbortSignal.any(signals);
    if (any.aborted) throw abortedError(any);
    return withRetries(async () => call(await this.transport(), any, deadlineAt), this.retries, any);
  }

  private transport(): Promise<Transport> {
    this.opened ??= this.opening().catch((thrown: unknown) => {
      this.opened = undefined;
      throw thrown;
    });
    return this.opened;
  }

  /** From the cache; asked for once when many calls want it. */
  private described(
    transport: Transport,
    servable: string,
    method: string,
    version: number | undefined,
    signal: AbortSignal,
  ): Promise<MethodDescription> {
    const key = keyOf(servable, method, version);
    let asked = this.descriptions.get(key);
    if (asked === undefined) {
      // For all that want it: a caller that leaves ends it for nobody else
      asked = transport.describe(servable, method, version, AbortSignal.any([this.closing.signal, AbortSignal.timeout(this.timeoutMs)]));
      this.remember(key, asked);
      asked.catch(() => this.descriptions.delete(key));
    }
    return untilAborted(asked, signal);
  }

  private remember(key: string, description: Promise<MethodDescription>): void {
    if (this.descriptions.size >= maxDescriptions) this.descriptions.clear();
    this.descriptions.set(key, description);
  }

  private tensorsOf(
    { servable, method, inputs }: MethodDescription,
    given: Readonly<Record<string, ClientInput | undefined>>,
  ): NamedTensors {
    const names = new Set(inputs.map(({ name }) => name));
    for (const name of Object.keys(given)) {
      if (!names.has(name))
        throw new ServingError('INVALID_ARGUMENT', `${servable}.${method} has no input '${name}', it takes ${[...names].join(', ')}`);
    }
    return new Map(
      inputs.flatMap((input) => {
        const value = given[input.name];
        if (value !== undefined) return [[input.name, tensorOf(input, value)] as const];
        if (input.optional) return [];
        throw new ServingError('INVALID_ARGUMENT', `input '${input.name}' of ${servable}.${method} is missing`);
      }),
    );
  }
}

/** What the promise gives, or the signal's error when that comes first. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let leave: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(abortedError(signal));
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

function keyOf(servable: string, method: string, version: number | undefined): string {
  return JSON.stringify([servable, method, version]);
}
