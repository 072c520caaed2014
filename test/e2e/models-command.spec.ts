import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { command, type CommandOutcome } from '../support/command.js';
import { freePort } from '../support/free-port.js';
import { root, serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory, writeTurnsServable } from '../support/servables.js';
import { hasOpenssl, TestAuthority } from '../support/test-authority.js';

/** `mserve models` against a server that runs: what it prints, and how it ends. */

const directory = servableDirectory();
const token = 'a-token-of-sixteen-letters';
let server: RunningProcess & ServerAddresses;
let admin: string;
let tokenFile: string;
beforeAll(async () => {
  writeTurnsServable(directory.path, [1, 2]);
  mkdirSync(join(directory.path, 'turns/3'));
  writeFileSync(join(directory.path, 'turns/3/model.onnx'), 'no model');
  tokenFile = join(directory.path, 'token');
  writeFileSync(tokenFile, `${token}\n`);
  admin = `127.0.0.1:${await freePort()}`;
  server = await serveDirectory(directory.path, ['--version-policy', 'specific:2', '--admin', admin, '--admin-token-file', tokenFile]);
}, 60_000);
afterAll(async () => {
  await server?.stop();
  directory.remove();
});

const models = (...args: readonly string[]): Promise<CommandOutcome> =>
  command(process.execPath, [join(root, 'apps/server/bin/mserve.mjs'), 'models', ...args], {
    MSERVE_ADMIN: admin,
    MSERVE_ADMIN_TOKEN_FILE: tokenFile,
  });
const lines = ({ code, stdout }: CommandOutcome): unknown[] => [
  code,
  ...stdout
    .trim()
    .replaceAll(/worker-[0-9a-f]{8}( on \S+)?/g, 'WORKER')
    .split('\n'),
];

describe('mserve models', () => {
  it('lists, loads, switches and unloads', async () => {
    expect(lines(await models('list'))).toEqual([
      0,
      'turns:1  unloaded',
      'turns:2  ready, latest, 1 replica on WORKER',
      'turns:3  unloaded',
      '',
      'workers: WORKER',
    ]);
    expect(lines(await models('load', 'turns:1'))).toEqual([0, 'load turns:1: done', '  ✓ WORKER: loaded 1']);
    expect(lines(await models('switch', 'turns:1'))).toEqual([0, 'switch turns:1: done', '  ✓ WORKER: unloaded 2']);
    expect(lines(await models('load', 'turns:1', '--reload'))).toEqual([0, 'load turns:1: done', '  ✓ WORKER: loaded 1']);
    expect(lines(await models('load', 'turns:1'))).toEqual([0, 'load turns:1: done', '  ✓ WORKER: nothing to do']);
    const { stdout } = await models('switch', 'turns:2', '--json');
    expect(JSON.parse(stdout)).toEqual({
      servable: 'turns',
      versions: [2],
      ok: true,
      workers: [{ worker: expect.stringMatching(/^worker-/), loaded: [2], unloaded: [1] }],
    });
  });

  it('a version that cannot be loaded leaves what serves, says why, and ends with 1', async () => {
    // No version: the highest on disk
    const [code, ...text] = lines(await models('switch', 'turns'));
    expect([code, text[0]]).toEqual([1, 'switch turns:3: not done, what served before goes on']);
    expect(text[1]).toMatch(/^ {2}✗ WORKER: .*model\.onnx/);
    expect(lines(await models('list', 'turns')).slice(0, 4)).toEqual([
      0,
      'turns:1  unloaded',
      'turns:2  ready, latest, 1 replica on WORKER',
      'turns:3  failed, 1 replica on WORKER',
    ]);
    expect(lines(await models('unload', 'turns:3'))).toEqual([0, 'unload turns:3: done', '  ✓ WORKER: unloaded 3']);
  });

  it.each<[args: string[], code: number, text: RegExp]>([
    [['unload', 'nope'], 1, /^mserve: the server answered 404: no worker has a servable 'nope'$/],
    [['load', 'turns:1', '--worker', 'worker-x'], 1, /^mserve: the server answered 404: there is no worker 'worker-x'; there are: worker-/],
    [['load', 'a/b'], 2, /NAME or NAME:VERSION is expected/],
    [['load'], 2, /missing required argument/],
    [['list', '--admin', 'nowhere'], 2, /HOST:PORT or https:\/\/HOST:PORT is expected/],
    [['list', '--admin-token-file', 'package.json'], 2, /^mserve: --admin-token-file: package\.json holds no token/],
    [['list', '--admin-token-file', 'nope'], 2, /^mserve: --admin-token-file: cannot read nope/],
  ])('%j ends with %d', async (args, code, text) => {
    const outcome = await models(...args);
    expect([outcome.code, outcome.stdout]).toEqual([code, '']);
    expect(outcome.stderr.trim()).toMatch(text);
  });

  it('says what may be the matter when nobody answers', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    const { code, stderr } = await models('list', '--admin', nobody);
    expect([code, stderr.trim()]).toEqual([
      1,
      `mserve: no answer from ${nobody} (ECONNREFUSED); does a server have its admin port there? Start it with: mserve serve DIR --admin ${nobody}`,
    ]);
  });

  it('takes a new token as soon as its file has it', async () => {
    writeFileSync(tokenFile, 'another-token-of-letters');
    expect((await models('list')).code).toBe(0);
    const old = await command(process.execPath, [join(root, 'apps/server/bin/mserve.mjs'), 'models', 'list'], {
      MSERVE_ADMIN: admin,
      MSERVE_ADMIN_TOKEN: token,
    });
    expect([old.code, old.stderr.trim()]).toEqual([1, 'mserve: the server answered 401: the bearer token is not the right one']);
    expect(server.output()).not.toContain(token);
  });
});

(hasOpenssl ? describe : describe.skip)(
  `mserve models over TLS${hasOpenssl ? '' : ' (skipped: there is no command openssl of version 3)'}`,
  () => {
    it('trusts an authority, shows a certificate, and says what is missing', async () => {
      const [authority, foreign] = [new TestAuthority(), new TestAuthority()];
      const [own, operator] = [authority.issue('server'), authority.issue('operator')];
      const address = `127.0.0.1:${await freePort()}`;
      const mutual = ['--tls-certificate', own.certificateFile, '--tls-private-key', own.privateKeyFile];
      mutual.push('--tls-custom-ca', authority.file, '--tls-verify-client');
      const secure = await serveDirectory(directory.path, [
        '--servable',
        'turns:1',
        '--admin',
        address,
        '--admin-token-file',
        tokenFile,
        ...mutual,
      ]);
      const list = async (...flags: string[]): Promise<string> => {
        const { code, stdout, stderr } = await models('list', ...flags);
        return `${code} ${stdout.split(' ')[0]}${stderr.trim()}`;
      };
      try {
        const url = `https://${address}`;
        const known = ['--admin-ca', authority.file];
        const shown = ['--admin-certificate', operator.certificateFile, '--admin-private-key', operator.privateKeyFile];
        expect(await list('--admin', url, ...known, ...shown)).toBe('0 turns:1');
        expect(await list('--admin', url, ...known)).toMatch(/^1 .*: it asks for a certificate; give --admin-certificate FILE and/);
        expect(await list('--admin', url, '--admin-ca', foreign.file, ...shown)).toMatch(
          /^1 .* \(SELF_SIGNED_CERT_IN_CHAIN\): its certificate is not trusted; --admin-ca FILE names/,
        );
        expect(await list('--admin', address)).toMatch(/^1 .* \(ECONNRESET\); if it speaks TLS, give --admin https:/);
        expect(await list('--admin', address, ...known)).toMatch(/^2 .*--admin-ca is for a port that speaks TLS/);
        expect(await list('--admin', url, ...known, '--admin-certificate', own.certificateFile)).toMatch(/^2 .* go together$/);
        expect(await list('--admin', url, '--admin-ca', 'nope')).toBe('2 mserve: --admin-ca: cannot read nope: no such file or folder');
        expect(
          await list('--admin', url, ...known, '--admin-certificate', own.certificateFile, '--admin-private-key', operator.privateKeyFile),
        ).toMatch(/^1 .* cannot be used together \(ERR_OSSL_X509_KEY_VALUES_MISMATCH\)$/);
        expect(await list('--admin', `https://${admin}`, ...known)).toMatch(/^1 .*; if it does not speak TLS, give --admin 127/);
      } finally {
        await secure.stop();
        authority.remove();
        foreign.remove();
      }
    }, 60_000);
  },
);
