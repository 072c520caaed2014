import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createLog } from '@mserve/app';
import { ServableStartConfig, SSLConfig, startServables, type ServableStartParameters, type ServablesServer } from '@mserve/server';
import { testCertificate, testPrivateKey } from '../../../apps/gateway/src/testing/tls-fixture.js';
import { grpcClient, post } from '../../support/clients.js';
import { root } from '../../support/running-process.js';
import { servableDirectory, type ServableDirectory } from '../../support/servables.js';

const config = (body: string): string =>
  `import { addStage, declareModel, registerMethod, type InputValue, type Tensor } from '@mserve/register';\n${body}`;

const configs: Readonly<Record<string, string>> = {
  throws: config(`throw new Error('no luck');`),
  homeless: config(`const model = declareModel({ modelFile: 'm.onnx', modelFormat: 'ONNX' });
registerMethod(['y'], function predict(x) {
  return addStage(model, x);
});`),
  dies: config(`export const functionIsolation = 'process';
process.kill(process.pid, 'SIGKILL');`),
  waits: config(`console.log('the config waits');
await new Promise(() => setInterval(() => undefined, 1000));`),
  held: config(`import { connect } from 'node:net';
/** Ends when the other end of the port of this number does. */
async function hold(port: InputValue) {
  const socket = connect(Number((port as Tensor).item()), '127.0.0.1');
  await new Promise((resolve) => socket.once('close', resolve).resume());
  return 'let go';
}
registerMethod(['y'], function predict(port) {
  return addStage(hold, port, { outputsCount: 1 });
});`),
};

/** What a caller without types gives. */
export const untyped = <T>(value: unknown): T => value as T;

/** A server of the start-up API that serves over both ports, and one that has opened none. */
export class StartBench {
  readonly scratch: ServableDirectory = servableDirectory();
  /** Its servables: `kit`, version 1, runs; the others are for starts that fail, and `held` for requests that last. */
  readonly directory = this.scratch.path;
  readonly logged: string[] = [];
  readonly options = {
    log: { ...createLog('silent', 'server'), info: (_: unknown, text: string) => void this.logged.push(text) },
  } as never;
  server!: ServablesServer;
  bare!: ServablesServer;
  rest = '';
  grpc = '';

  async open(): Promise<void> {
    cpSync(join(root, 'apps/server/templates/servable'), join(this.directory, 'kit'), { recursive: true });
    mkdirSync(join(this.directory, 'empty'));
    for (const [name, text] of Object.entries(configs)) {
      mkdirSync(join(this.directory, name));
      writeFileSync(join(this.directory, name, 'servable_config.ts'), text);
    }
    writeFileSync(this.file('c.pem'), testCertificate);
    writeFileSync(this.file('k.pem'), testPrivateKey);
    writeFileSync(this.file('bad.pem'), 'no PEM');
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    writeFileSync(this.file('other.pem'), other.export({ type: 'pkcs8', format: 'pem' }));
    this.server = await startServables([this.kit(), this.kit({ servableName: 'held' })], this.options);
    this.rest = await this.server.startRestfulServer('127.0.0.1:0');
    this.grpc = await this.server.startGrpcServer('127.0.0.1:0');
    this.bare = await this.another();
  }

  async close(): Promise<void> {
    await Promise.all([this.server.stop(), this.bare.stop()]);
    this.scratch.remove();
  }

  /** A further server, without ports. */
  another(): Promise<ServablesServer> {
    return startServables(this.kit(), this.options);
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  kit(parameters: Partial<ServableStartParameters> = {}): ServableStartConfig {
    return new ServableStartConfig({ servableDirectory: this.directory, servableName: 'kit', ...parameters });
  }

  ssl(names: { certificate?: string; privateKey?: string; customCa?: string } = {}): SSLConfig {
    const { certificate = 'c.pem', privateKey = 'k.pem', customCa } = names;
    const ca = customCa === undefined ? {} : { customCa: this.file(customCa), verifyClient: true };
    return new SSLConfig({ certificate: this.file(certificate), privateKey: this.file(privateKey), ...ca });
  }

  /** What the servable `kit` answers over both ports. */
  async answers(): Promise<unknown[]> {
    const rest = await post(this.rest, '/model/kit/version/1:predict', '{"instances":[{"x":[1,2,3]}]}');
    const client = grpcClient('ms', this.grpc);
    try {
      const data = Buffer.from(new Float32Array([1, 2, 3]).buffer);
      const x = { shape: { dims: [3] }, dtype: 'MS_FLOAT32', data };
      const reply = await client.call('Predict', {
        servable_spec: { name: 'kit', method_name: 'predict', version_number: 1 },
        instances: [{ items: { x } }],
      });
      const [instance] = reply['instances'] as { items: Record<string, { data: Buffer }> }[];
      return [rest.body, [...new Float32Array(Uint8Array.from(instance?.items['y']?.data ?? []).buffer)]];
    } finally {
      client.close();
    }
  }
}

/** What {@link StartBench.answers} gives while all is well. */
export const wellAnswers = [{ instances: [{ y: [2, 4, 6] }] }, [2, 4, 6]];

/** A port whose connections stay until they are let go: what the servable `held` waits for. */
export class HoldingPort {
  private readonly sockets: Socket[] = [];
  private readonly waiting: (() => void)[] = [];
  private readonly server: Server = createServer((socket) => {
    this.sockets.push(socket);
    this.waiting.shift()?.();
  });

  open(): Promise<number> {
    return new Promise((resolve) => this.server.listen(0, '127.0.0.1', () => resolve((this.server.address() as { port: number }).port)));
  }

  /** Resolves when one more function is held. */
  held(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  letGo(): void {
    for (const socket of this.sockets.splice(0)) socket.end();
  }

  close(): Promise<void> {
    this.letGo();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}
