import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hasOpenssl, TestAuthority } from '../../support/test-authority.js';
import { hasPython, pythonWith } from '../../support/python.js';
import { freePort } from '../../support/free-port.js';
import { servableDirectory, writeAddServable, writeEchoServable, writeModelServable, writeTurnsServable } from '../../support/servables.js';
import { root, serveDirectory, type RunningProcess, type ServerAddresses } from '../../support/running-process.js';

const python = hasPython();

(python ? describe : describe.skip)(`tritonclient${python ? '' : ' (skipped: there is no python3 with venv on this machine)'}`, () => {
  let server: RunningProcess & ServerAddresses;
  let interpreter: string;
  beforeAll(async () => {
    interpreter = pythonWith(['tritonclient[all]==2.73.0', 'numpy<3', 'pillow', 'pytest==9.2.0']);
    server = await serveDirectory('examples', ['--servable', 'digits', '--device-ids', '0,1']);
  }, 600_000);
  afterAll(() => server?.stop());

  it('classifies all 100 images over REST and gRPC, and gets logits within 1e-4', async () => {
    const script = join(root, 'test/parity/clients/digits_clients.py');
    const { stdout } = await promisify(execFile)(interpreter, [script, server.rest, server.grpc, join(root, 'test/fixtures/digits')]);
    const { wrong, worst } = JSON.parse(stdout.trim().split('\n').at(-1) as string) as { wrong: unknown[]; worst: number };
    expect(wrong).toEqual([]);
    expect(worst).toBeLessThan(1e-4);
  }, 120_000);

  (hasOpenssl ? it : it.skip)(
    `is served over mutual TLS${hasOpenssl ? '' : ' (skipped: there is no command openssl of version 3)'}`,
    async () => {
      const authority = new TestAuthority();
      const [own, client] = [authority.issue('server'), authority.issue('client')];
      const tls = ['--tls-certificate', own.certificateFile, '--tls-private-key', own.privateKeyFile];
      const secure = await serveDirectory('examples', [
        ...['--servable', 'digits', ...tls, '--tls-custom-ca', authority.file, '--tls-verify-client'],
      ]);
      try {
        const script = join(root, 'test/parity/clients/tls_clients.py');
        const files = [authority.file, client.certificateFile, client.privateKeyFile];
        const { stdout } = await promisify(execFile)(interpreter, [script, secure.rest, secure.grpc, ...files]);
        expect(JSON.parse(stdout)).toEqual({
          http: [2, 10],
          grpc: [2, 10],
          'http without': expect.stringMatching(/SSL|Connection/),
          'grpc without': 'InferenceServerException',
        });
      } finally {
        await secure.stop();
        authority.remove();
      }
    },
    120_000,
  );

  it('does all that tritonclient can ask for', async () => {
    const directory = servableDirectory();
    writeAddServable(directory.path);
    const x = { name: 'x', dtype: 'float32', shape: ['n', 4] } as const;
    writeModelServable(directory.path, 'scores', {
      inputs: [x],
      outputs: [{ ...x, name: 'y' }],
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
    });
    writeEchoServable(directory.path);
    const serving = await serveDirectory(directory.path, []);
    try {
      const script = join(root, 'test/parity/clients/triton_clients.py');
      const env = { ...process.env, REST: serving.rest, GRPC: serving.grpc };
      const run = promisify(execFile)(interpreter, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', script], { env });
      // What pytest says of a failure is the text of the failure here
      const { stdout } = await run.catch((failed: { stdout: string }) => failed);
      expect(stdout).toMatch(/^\d+ passed in /m);
      expect(stdout).not.toMatch(/failed|error/);
    } finally {
      await serving.stop();
      directory.remove();
    }
  }, 120_000);

  it('lists, loads and unloads models over REST and gRPC', async () => {
    const directory = servableDirectory();
    writeTurnsServable(directory.path, [1, 2]);
    const admin = `127.0.0.1:${await freePort()}`;
    const token = 'a-token-of-sixteen-letters';
    const turning = await serveDirectory(directory.path, ['--admin', admin, '--model-control-mode', 'explicit'], {
      MSERVE_ADMIN_TOKEN: token,
    });
    try {
      const script = join(root, 'test/parity/clients/repository_calls.py');
      const { stdout } = await promisify(execFile)(interpreter, [script, turning.rest, turning.grpc, admin, token]);
      const walk = (statuses: { unknown: string; broken: string }, files: unknown): unknown => ({
        before: [['turns.predict:2 READY', 'turns:1 UNAVAILABLE unloaded'], 2],
        'version 1': [['turns.predict:1 READY', 'turns:2 UNAVAILABLE unloaded'], 8],
        latest: [['turns.predict:2 READY', 'turns:1 UNAVAILABLE unloaded'], 2],
        'not there': `${statuses.unknown}: failed to load 'nope', no worker has it in its directory`,
        broken: `${statuses.broken}: failed to load 'turns', the log of its worker says why`,
        'goes on': 2,
        files,
        // Version 9 could not be loaded before; unloading all forgets that
        unloaded: [['turns:1 UNAVAILABLE unloaded', 'turns:2 UNAVAILABLE unloaded'], false],
        again: 2,
      });
      expect(JSON.parse(stdout)).toEqual({
        http: walk({ unknown: '404', broken: '500' }, ''),
        grpc: walk(
          { unknown: 'StatusCode.NOT_FOUND', broken: 'StatusCode.INTERNAL' },
          expect.stringContaining("parameter 'file:1/model.onnx' is not supported"),
        ),
        'no token': '401: a bearer token is missing: send Authorization: Bearer TOKEN',
        admin: ['turns.predict:1 READY', 'turns:2 UNAVAILABLE'],
      });
    } finally {
      await turning.stop();
      directory.remove();
    }
  }, 120_000);
});
