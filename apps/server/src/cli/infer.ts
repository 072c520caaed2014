import type { ClientInput, ServingErrorCode } from '@mserve/client';
import { ServingError } from '@mserve/wire';
import { CliError } from '../cli-error.js';
import { clientAddress } from './option-values.js';

/** Flags of `mserve infer`. */
export interface InferFlags {
  readonly servable: string;
  readonly method: string;
  readonly version?: number | undefined;
  readonly input: readonly string[];
  /** HOST:PORT of a REST port, or an address as Client takes it. */
  readonly server: string;
  readonly timeoutMs: number;
  /** Spaces before what is inside; 0: one line. */
  readonly indent: number;
}

/** Sends one instance to a running server; resolves with the JSON of its outputs. Rejects with CliError. */
export async function infer({ servable, method, version, input, server, timeoutMs, indent }: InferFlags): Promise<string> {
  const [{ Client }, { clientInput, givenInput, outputsText }] = await Promise.all([import('@mserve/client'), import('./infer-values.js')]);
  const given = new Map<string, ReturnType<typeof givenInput>[1]>();
  for (const [name, value] of input.map(givenInput)) {
    if (given.has(name)) throw new CliError(`--input ${name} is given twice`, 2);
    given.set(name, value);
  }
  const client = openClient(() => new Client(clientAddress(server), { timeoutMs }));
  const deadlineAt = performance.now() + timeoutMs;
  try {
    const { inputs } = await client.describe(servable, method, { version });
    const values = Object.fromEntries(
      [...given].map(([name, value]): [string, ClientInput] => [
        name,
        clientInput(
          name,
          value,
          inputs.find((one) => one.name === name),
        ),
      ]),
    );
    const leftMs = Math.max(1, Math.ceil(deadlineAt - performance.now()));
    return outputsText(await client.infer(servable, method, values, { version, timeoutMs: leftMs }), indent);
  } catch (thrown) {
    throw thrown instanceof ServingError ? new CliError(problemOf(thrown, server, timeoutMs)) : thrown;
  } finally {
    await client.close();
  }
}

function openClient<T>(open: () => T): T {
  try {
    return open();
  } catch (thrown) {
    throw thrown instanceof ServingError ? new CliError(thrown.message, 2) : thrown;
  }
}

const told: Partial<Readonly<Record<ServingErrorCode, (server: string, timeoutMs: number) => string>>> = {
  DEADLINE_EXCEEDED: (server, timeoutMs) => `no answer from ${server} within ${timeoutMs} ms (--timeout-ms)`,
};

function problemOf({ code, message, cause }: ServingError, server: string, timeoutMs: number): string {
  const known = told[code]?.(server, timeoutMs);
  if (known !== undefined) return known;
  const failure = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'UNAVAILABLE' && typeof failure === 'string')
    return `no answer from ${server} (${failure}); is a server running there? Start one with: mserve serve DIR`;
  return `${code}: ${message}`;
}
