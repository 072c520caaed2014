import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { ServingError } from '@mserve/wire';
import { describedByMetadata, readyModelsOf, type MethodDescription } from '../description.js';
import { notUnderstood, recordOf, textOf, wholeOf } from '../json-value.js';
import { instanceOutputs, modelName, oipInputs, type OipTensor } from '../stacked.js';
import { abortedError, codeOfHttpStatus } from '../status.js';
import { NotBegun, type InferCall, type InferResult, type ReadyModel, type Transport } from '../transport.js';
import type { ConnectionOptions } from '../options.js';
import { readyModels } from './ready-models.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Failures of a connection that was not made: nothing was sent. */
const notConnected: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
]);

const jsonLengthHeader = 'inference-header-content-length';

/** The Open Inference Protocol over REST, with tensors as bytes behind the JSON. */
export class RestTransport implements Transport {
  private readonly base: string;
  private readonly agent: HttpAgent;
  private readonly isTls: boolean;
  private readonly target: Pick<RequestOptions, 'host' | 'port'>;

  constructor(
    url: URL,
    private readonly options: ConnectionOptions,
  ) {
    this.base = url.pathname.replace(/\/+$/, '');
    this.isTls = url.protocol === 'https:';
    this.target = { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? (this.isTls ? 443 : 80) : Number(url.port) };
    const { ca, certificate: cert, privateKey: key } = options.tls ?? {};
    this.agent = this.isTls ? new HttpsAgent({ keepAlive: true, ca, cert, key }) : new HttpAgent({ keepAlive: true });
  }

  async describe(servable: string, method: string, version: number | undefined, signal: AbortSignal): Promise<MethodDescription> {
    const path = modelPath(servable, method, version);
    const [metadata, config] = await Promise.all([this.get(path, signal), this.get(`${path}/config`, signal)]);
    return describedByMetadata(
      servable,
      method,
      metadata,
      wholeOf(recordOf(config, 'the configuration')['max_batch_size'], 'max_batch_size') > 0,
    );
  }

  async list(signal: AbortSignal): Promise<readonly ReadyModel[]> {
    const answer = await this.send(
      'POST',
      '/v2/repository/index',
      { 'content-type': 'application/json' },
      [Buffer.from('{"ready":true}')],
      signal,
    );
    return readyModels(readyModelsOf(parsed(checked(answer).body)));
  }

  async infer({ description, version, inputs, requestId, traceparent, tracestate, timeoutMs, signal }: InferCall): Promise<InferResult> {
    const tensors = oipInputs(description, inputs);
    const head = Buffer.from(
      JSON.stringify({
        inputs: tensors.map(({ name, datatype, shape, bytes }) => ({
          name,
          datatype,
          shape,
          parameters: { binary_data_size: bytes.byteLength },
        })),
        parameters: { binary_data_output: true },
      }),
    );
    const headers = {
      'content-type': 'application/octet-stream',
      [jsonLengthHeader]: String(head.length),
      'x-request-timeout-ms': String(Math.max(1, Math.ceil(timeoutMs))),
      ...(requestId !== undefined && { 'x-request-id': requestId }),
      ...(traceparent !== undefined && { traceparent }),
      ...(tracestate !== undefined && { tracestate }),
    };
    const path = `${modelPath(description.servable, description.method, version)}/infer`;
    const answer = checked(await this.send('POST', path, headers, [head, ...tensors.map(({ bytes }) => bytes)], signal));
    const { version: ran, outputs } = inferAnswer(answer);
    return { version: ran, outputs: instanceOutputs(description, outputs) };
  }

  async close(): Promise<void> {
    this.agent.destroy();
    return Promise.resolve();
  }

  private async get(path: string, signal: AbortSignal): Promise<unknown> {
    return parsed(checked(await this.send('GET', path, {}, [], signal)).body);
  }

  /** Resolves with any answer. Rejects with NotBegun when nothing was sent, UNAVAILABLE when the connection was lost, or what the signal says. */
  private send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<Answer> {
    const length = body.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const { agent, target, options } = this;
    const given = {
      ...options.headers,
      ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
      ...headers,
      ...(length > 0 && { 'content-length': String(length) }),
    };
    return new Promise((resolve, reject) => {
      const start = this.isTls ? httpsRequest : httpRequest;
      const fail = (error: Error): void => reject(signal.aborted ? abortedError(signal) : connectionError(error));
      const call = start({ ...target, agent, method, path: this.base + path, headers: given, signal }, (answer) => {
        const pieces: Buffer[] = [];
        answer.on('data', (piece: Buffer) => pieces.push(piece));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(pieces) }));
        answer.on('error', fail);
      });
      call.on('error', fail);
      for (const piece of body) call.write(piece);
      call.end();
    });
  }
}

function modelPath(servable: string, method: string, version: number | undefined): string {
  return `/v2/models/${encodeURIComponent(modelName(servable, method))}${version === undefined ? '' : `/versions/${version}`}`;
}

function connectionError(cause: Error): Error {
  const { code } = cause as NodeJS.ErrnoException;
  const error = new ServingError(
    'UNAVAILABLE',
    `the server cannot be reached, or the connection was lost: ${cause.message || String(code)}`,
    { cause },
  );
  return notConnected.has(code) ? new NotBegun(error, undefined) : error;
}

/** The answer of a success. Throws the ServingError of a refusal, as NotBegun where the server says that it may be tried again. */
function checked(answer: Answer): Answer {
  const { status, headers, body } = answer;
  if (status === 200) return answer;
  const code = codeOfHttpStatus(status);
  const error = new ServingError(code, refusalText(body) ?? `the server answered ${status}`);
  if (status !== 503 && status !== 429) throw error;
  const after = Number(headers['retry-after']);
  throw new NotBegun(error, Number.isFinite(after) && after >= 0 ? after * 1_000 : undefined);
}

function refusalText(body: Buffer): string | undefined {
  try {
    const { error } = recordOf(JSON.parse(body.toString()) as unknown, 'a refusal');
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()) as unknown;
  } catch (thrown) {
    throw notUnderstood('it is no JSON', thrown);
  }
}

/** Reads an answer whose tensors follow its JSON. ServingError INTERNAL when it is none. */
function inferAnswer({ headers, body }: Answer): { readonly version: number; readonly outputs: OipTensor[] } {
  const said = headers[jsonLengthHeader];
  const jsonBytes = said === undefined ? body.length : Number(said);
  if (!(jsonBytes >= 0 && jsonBytes <= body.length)) throw new ServingError('INTERNAL', `the server's header ${jsonLengthHeader} is wrong`);
  const head = recordOf(parsed(body.subarray(0, jsonBytes)), 'the answer');
  const listed: unknown = head['outputs'];
  if (!Array.isArray(listed)) throw new ServingError('INTERNAL', "the server's answer has no outputs");
  let at = jsonBytes;
  const outputs = listed.map((value): OipTensor => {
    const output = recordOf(value, 'an output');
    const name = textOf(output['name'], 'the name of an output');
    const shape = output['shape'];
    const size = wholeOf(recordOf(output['parameters'] ?? {}, 'parameters of an output')['binary_data_size'], 'binary_data_size');
    if (!Array.isArray(shape) || size < 0 || at + size > body.length) throw new ServingError('INTERNAL', `output '${name}' is cut off`);
    const bytes = body.subarray(at, at + size);
    at += size;
    return { name, datatype: textOf(output['datatype'], 'a datatype'), shape: shape.map((dim) => wholeOf(dim, 'a dim')), bytes };
  });
  return { version: wholeOf(head['model_version'], 'model_version'), outputs };
}
