import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:https';
import { join } from 'node:path';
import { status as grpcStatus, type ServiceError } from '@grpc/grpc-js';
import { expect } from '@jest/globals';
import { prefixed, RawGrpc, type RawReply } from '../../../apps/gateway/src/testing/raw-grpc.js';
import { RawConnection } from '../../../apps/gateway/src/testing/raw-connection.js';
import { GrpcClients } from '../../support/clients.js';
import { root } from '../../support/running-process.js';

/** What a server has, as it says itself. */
interface State {
  readonly residentMiB: number;
  /** Open file descriptors, sockets included. */
  readonly files: number;
  /** Connections of clients. */
  readonly sockets: number;
  /** Requests that were taken and have no answer. */
  readonly inHand: number;
  /** What Date.now() is there. */
  readonly clock: number;
  /** The most CPU time that the main thread took between two looks at its timers since the last time it was asked. */
  readonly longestTurnMs: number;
}

interface Ready {
  readonly rest: string;
  readonly grpc: string;
  /** Undefined without the setting. */
  readonly ops?: string;
  readonly failed: readonly { readonly servable: string; readonly reason: string }[];
}

const most = { turnMs: 1000, share: 0.1, MiB: 50, files: 4, returnMs: 20_000 };
const secrets = /\/work\/|\/root\/|\/home\/|node_modules|file:\/\/|\bat [^\s]+ \(|_INBOX\.\w{8}|mserve\.(v1|bus)/;

/** What a server is started with besides its settings. */
export interface FaultSurroundings {
  /** The authority of its certificate: both ports speak TLS. */
  readonly ca?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** An embedded server in a process of its own, with the senders that the tables of faults need. What came back is one text: the status, a blank, the body. */
export class FaultServer {
  private constructor(
    private readonly child: ChildProcess,
    readonly ready: Ready,
    readonly clients: GrpcClients,
    private readonly output: string[],
    private readonly ca: string | undefined,
  ) {}

  static async start(directory: string, settings: object = {}, { ca, env = {} }: FaultSurroundings = {}): Promise<FaultServer> {
    const options = JSON.stringify({ directory, logLevel: 'error', ...settings });
    const child = fork(join(root, 'test/e2e/faults/server-main.mjs'), [options], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
    });
    const output: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: Buffer) => output.push(text.toString()));
    const ended = once(child, 'exit').then(() => Promise.reject(new Error(`the server ended:\n${output.join('')}`)));
    const [ready] = (await Promise.race([once(child, 'message'), ended])) as [Ready];
    ended.catch(() => undefined);
    const server = new FaultServer(child, ready, new GrpcClients(ready.grpc, ca), output, ca);
    // What grows with the first requests is there before the first look
    for (let n = 0; n < 20; n++) await server.servesOn();
    return server;
  }

  get rest(): string {
    return this.ready.rest;
  }

  async stop(): Promise<void> {
    this.clients.close();
    const exit = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exit;
  }

  async state(): Promise<State> {
    if (!this.child.connected) throw new Error(`the server has ended:\n${this.output.join('')}`);
    this.child.send('state');
    const [state] = (await once(this.child, 'message')) as [State];
    return state;
  }

  /** Resolves when what the server has is as `condition` says. */
  async until(condition: (state: State) => boolean): Promise<void> {
    while (!condition(await this.state())) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** I1: a good request is answered with the right bytes, over both ports. */
  async servesOn(): Promise<void> {
    expect(await this.post('/model/echo:predict', '{"instances":[{"x":7}]}')).toBe('200 {"instances":[{"y":7}]}');
    const live = await this.call([prefixed('')], { ':path': '/inference.GRPCInferenceService/ServerReady' });
    expect(live).toMatch(/^OK /);
  }

  /** I1 to I6 after a row; `before` is the state ahead of it. */
  async holds(before: State, received: string): Promise<void> {
    await this.servesOn();
    // I5
    expect(received.slice(0, 4000)).not.toMatch(secrets);
    const first = await this.state();
    // I3
    expect(first.longestTurnMs).toBeLessThan(most.turnMs);
    // I2, I4, I6: all comes back
    const mostMiB = before.residentMiB * (1 + most.share) + most.MiB;
    const until = performance.now() + most.returnMs;
    for (let now = first; ; now = await this.state()) {
      const isBack = now.residentMiB <= mostMiB && now.inHand <= before.inHand && now.files <= before.files + most.files;
      if (isBack) return;
      if (performance.now() > until) throw new Error(`not as before: ${JSON.stringify({ before, now })}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async post(path: string, body: string | Uint8Array, headers: Record<string, string> = {}, method = 'POST'): Promise<string> {
    const all = { 'content-type': 'application/json', connection: 'close', ...headers };
    if (this.ca !== undefined) return this.postOverTls(path, body, all, method);
    const response = await fetch(`http://${this.rest}${path}`, {
      method,
      ...(method === 'GET' ? {} : { body: body as Uint8Array<ArrayBuffer> }),
      headers: all,
    });
    return `${response.status} ${await response.text()}`;
  }

  private postOverTls(path: string, body: string | Uint8Array, headers: Record<string, string>, method: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = request(`https://${this.rest}${path}`, { method, headers, ca: this.ca, agent: false }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () => resolve(`${response.statusCode} ${Buffer.concat(pieces).toString()}`));
      });
      sent.on('error', reject).end(method === 'GET' ? undefined : body);
    });
  }

  /** A metric of the operations port, over all its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`http://${this.ready.ops}/metrics`)).text();
    return [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** From now on nobody reads its stdout and stderr. */
  leaveOutput(): void {
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
  }

  /** Says `text` on a connection of its own. All answers until the server ends it, with blanks between them; then `closed`. */
  async raw(text: string): Promise<string> {
    return `${answersOf(await RawConnection.exchange(this.rest, text))} closed`;
  }

  /** An instance of /model echo. */
  echo(value: string): Promise<string> {
    return this.post('/model/echo:predict', `{"instances":[{"x":${value}}]}`);
  }

  /** One input `x` of a method over the Open Inference Protocol. */
  infer(model: string, datatype: string, shape: string, data: string, more = ''): Promise<string> {
    return this.post(
      `/v2/models/${model}/infer`,
      `{${more}"inputs":[{"name":"x","datatype":"${datatype}","shape":${shape},"data":${data}}]}`,
    );
  }

  /** A call as bytes on a connection of its own: the name of its status, a blank, and its text. */
  async call(pieces: readonly Buffer[], headers: Record<string, string> = {}): Promise<string> {
    const raw = await RawGrpc.open(this.ready.grpc, this.ca === undefined ? {} : { ca: this.ca });
    try {
      return replyText(await raw.call(pieces, headers));
    } finally {
      raw.close();
    }
  }

  ms(request: object, options: { deadline?: Date } = {}): Promise<string> {
    return outcome(this.clients.ms.call('Predict', request, options));
  }

  oip(request: object, options: { deadline?: Date } = {}): Promise<string> {
    return outcome(this.clients.oip.call('ModelInfer', request, options));
  }
}

export function answersOf(received: string): string {
  const answers = received.split(/(?=HTTP\/1\.1 \d{3} )/).filter((answer) => answer !== '');
  return answers.map((answer) => `${answer.slice(9, 12)} ${answer.slice(answer.indexOf('\r\n\r\n') + 4)}`).join(' ');
}

export function replyText({ headers, body, rstCode }: RawReply): string {
  const status = headers['grpc-status'];
  if (status === undefined) return headers[':status'] === undefined ? `reset ${rstCode}` : `${headers[':status']} `;
  return `${grpcStatus[Number(status)]} ${status === '0' ? body.subarray(5).toString('latin1') : decodeURIComponent(String(headers['grpc-message']))}`;
}

interface MsReply {
  readonly instances: readonly unknown[];
  readonly error_msg?: readonly { readonly error_code: string; readonly error_msg: Buffer }[];
}

async function outcome(call: Promise<Record<string, unknown>>): Promise<string> {
  try {
    const reply = await call;
    const errors = (reply as unknown as MsReply).error_msg ?? [];
    if (errors.length > 0) return `error ${errors.map(({ error_code, error_msg }) => `${error_code} ${error_msg.toString()}`).join(' | ')}`;
    return `OK ${JSON.stringify(reply)}`;
  } catch (error) {
    const { code, details } = error as ServiceError;
    return `${grpcStatus[code] ?? code} ${details}`;
  }
}
