import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { command } from '../../support/command.js';
import { hasPython } from '../../support/python.js';
import { root, serveDirectory, startProcess, type RunningProcess } from '../../support/running-process.js';
import { servableDirectory, type ServableDirectory } from '../../support/servables.js';
import { hasOpenssl, TestAuthority, type IssuedCertificate } from '../../support/test-authority.js';
import { upstreamClient, type UpstreamClient } from '../../support/upstream-client.js';

/** The original's own Python client, unmodified, over every transport that it has. */

const missing = !hasPython()
  ? 'there is no python3 with venv on this machine'
  : hasOpenssl
    ? undefined
    : 'there is no command openssl of version 3';

const answers = {
  'every dtype': true,
  text: [{ y: 'hé' }],
  bytes: [{ y: { hex: '00ff' } }],
  'int, float, bool': [[{ y: ['int64', [1], [3]] }], [{ y: ['float64', [1], [0.5]] }], [{ y: ['bool', [1], [true]] }]],
  'a megabyte': true,
  async: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => [i]),
  'version 1': [{ y: 'v' }],
  'no version 7': { error: 'Request servable(kit) method(passthrough)  version(7) , servable is not available' },
  'no servable': { error: 'Request servable(nope) method(passthrough) , servable is not available' },
  'no method': { error: 'Request servable(kit) method(nope) , method is not available' },
  'no input': { error: 'Cannot find input x in instance input , servable kit, method passthrough' },
};

(missing === undefined ? describe : describe.skip)(`the original's client${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let client: UpstreamClient;
  let authority: TestAuthority;
  let folder: ServableDirectory;
  let own: IssuedCertificate;
  let pair: IssuedCertificate;
  beforeAll(() => {
    client = upstreamClient();
    authority = new TestAuthority();
    folder = servableDirectory();
    [own, pair] = [authority.issue('server'), authority.issue('client')];
  }, 600_000);
  afterAll(() => {
    authority?.remove();
    folder?.remove();
  });

  const calls = async (address: string, ...tls: string[]): Promise<unknown> => {
    const script = join(root, 'test/parity/clients/upstream_calls.py');
    const env = { PYTHONPATH: client.path, PYTHONDONTWRITEBYTECODE: '1' };
    const { stdout, stderr } = await command(client.python, [script, address, ...tls], env);
    const last = stdout.trim().split('\n').at(-1) ?? '';
    return last.startsWith('{') ? JSON.parse(last) : `${stdout}${stderr}`;
  };
  const withServer = async (flags: readonly string[], ask: (grpc: string) => Promise<void>): Promise<void> => {
    const server = await serveDirectory('test/parity/kit-servable', ['--servable', 'kit:1', ...flags]);
    try {
      await ask(server.grpc);
    } finally {
      await server.stop();
    }
  };
  const tls = (): string[] => ['--tls-certificate', own.certificateFile, '--tls-private-key', own.privateKeyFile];
  const refused = { error: expect.stringMatching(/^Grpc Error, \(14, 'unavailable'\), /) };

  it('over plain TCP', () => withServer([], async (grpc) => expect(await calls(grpc)).toEqual(answers)), 120_000);

  it('over a Unix socket, by an absolute and by a relative path', async () => {
    const path = join(folder.path, 'mserve.sock');
    const running: RunningProcess = startProcess(process.execPath, [
      ...['apps/server/dist/main.js', 'serve', 'test/parity/kit-servable', '--servable', 'kit:1', '--rest', '127.0.0.1:0', '--json'],
      ...['--grpc', `unix:${path}`],
    ]);
    try {
      await running.line((line) => line.startsWith('{"rest"'));
      expect(await calls(`unix:${path}`)).toEqual(answers);
      // The client runs in the project's root
      expect(await calls(`unix:${path.slice(root.length + 1)}`)).toEqual(answers);
    } finally {
      await running.stop();
    }
  }, 120_000);

  it(
    'over TLS, and not with an authority of its own',
    () =>
      withServer(tls(), async (grpc) => {
        expect(await calls(grpc, authority.file)).toEqual(answers);
        const other = new TestAuthority();
        expect(await calls(grpc, other.file)).toEqual(refused);
        other.remove();
      }),
    120_000,
  );

  it(
    'over mutual TLS, and not without a certificate or with one of another authority',
    () =>
      withServer([...tls(), '--tls-custom-ca', authority.file, '--tls-verify-client'], async (grpc) => {
        expect(await calls(grpc, authority.file, pair.certificateFile, pair.privateKeyFile)).toEqual(answers);
        expect(await calls(grpc, authority.file)).toEqual(refused);
        const other = new TestAuthority();
        const foreign = other.issue('stranger');
        expect(await calls(grpc, authority.file, foreign.certificateFile, foreign.privateKeyFile)).toEqual(refused);
        other.remove();
      }),
    120_000,
  );
});
