import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { hasOpenssl, TestAuthority } from '../support/test-authority.js';
import { testCertificate, testPrivateKey } from '../../apps/gateway/src/testing/tls-fixture.js';
import { mserve } from '../support/command.js';
import { startProcess } from '../support/running-process.js';
import { servableDirectory, writeAddServable } from '../support/servables.js';

/** Settings of `mserve serve` from all their sources, on a running server. */

const scratch = servableDirectory();
afterAll(() => scratch.remove());
const file = (name: string, text: string): string => {
  writeFileSync(join(scratch.path, name), text);
  return join(scratch.path, name);
};
writeAddServable(scratch.path);
const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

function statusOf(url: string, ca = testCertificate): Promise<number | undefined> {
  return new Promise((resolve, reject) => get(url, { ca }, (response) => resolve(response.resume().statusCode)).once('error', reject));
}

const config = file(
  'mserve.yaml',
  `directory: ${scratch.path}
rest: 127.0.0.1:0
grpc: ''
tlsCertificate: ${file('c.pem', testCertificate)}
tlsPrivateKey: ${file('k.pem', testPrivateKey)}
logLevel: info
`,
);

describe('mserve serve, set up by a YAML file', () => {
  it('serves TLS without a gRPC port, logs, and takes flags and variables before the file', async () => {
    const server = startProcess(process.execPath, ['apps/server/dist/main.js', 'serve', '--config', config, '--json', '--docs'], {
      // Below the default of the headers' timeout, which gives way
      MSERVE_REQUEST_TIMEOUT_MS: '5000',
    });
    try {
      const ready = JSON.parse(await server.line((line) => line.startsWith('{"rest"'))) as { rest: string; grpc?: string; docs: string };
      expect(ready).toMatchObject({ docs: `https://${ready.rest}/docs`, servables: [{ servable: 'add' }] });
      expect(ready.grpc).toBeUndefined();
      expect(await statusOf(`https://${ready.rest}/v2/health/ready`)).toBe(200);
      expect(server.output()).toMatch(/^\{"level":30,.*"name":"server"/m);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });

  (hasOpenssl ? it : it.skip)(
    `reads TLS files again at SIGHUP${hasOpenssl ? '' : ' (skipped: there is no command openssl of version 3)'}`,
    async () => {
      const authority = new TestAuthority();
      const tls = ['--tls-certificate', file('live.pem', testCertificate), '--tls-private-key', file('live.key', testPrivateKey)];
      const server = startProcess(process.execPath, ['apps/server/dist/main.js', 'serve', '--config', config, '--json', ...tls]);
      try {
        const { rest } = JSON.parse(await server.line((line) => line.startsWith('{"rest"'))) as { rest: string };
        const url = `https://${rest}/v2/health/ready`;
        await expect(statusOf(url, authority.text)).rejects.toThrow();
        const { certificate, privateKey } = authority.issue('new');
        file('live.pem', certificate);
        file('live.key', privateKey);
        server.child.kill('SIGHUP');
        await server.line((line) => line.includes('TLS: new connections get the certificate in '));
        expect(await statusOf(url, authority.text)).toBe(200);
        server.child.kill('SIGHUP');
        await server.line((line) => line.includes(' is in use already'));
      } finally {
        authority.remove();
        expect(await server.stop()).toBe(0);
      }
    },
  );

  it('goes on without a variable that is there for another command, and says so', async () => {
    const args = ['apps/server/dist/main.js', 'serve', '--config', config, '--json', '--ops', '', '--log-level', 'warn'];
    const server = startProcess(process.execPath, args, { MSERVE_ADMIN_TOKEN_FILE: join(scratch.path, 'no-such-token') });
    try {
      const ready = JSON.parse(await server.line((line) => line.startsWith('{"rest"'))) as { rest: string; admin?: string };
      expect(ready.admin).toBeUndefined();
      expect(await statusOf(`https://${ready.rest}/v2/health/ready`)).toBe(200);
      expect(await server.line((line) => line.includes('MSERVE_ADMIN_TOKEN_FILE'))).toMatch(
        /"level":40,.*"msg":"MSERVE_ADMIN_TOKEN_FILE is not used here: it needs --admin"/,
      );
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });

  it('prints what it would do', async () => {
    const { code, stdout, stderr } = await mserve('serve', '--config', config, '--grace-ms', '7', '--print-config');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^graceMs: 7 +# --grace-ms$/m);
    expect(stdout).toContain(`# ${config}:2\n`);
    expect(stdout).toMatch(/^maxMsgMbSize: 100 +# default$/m);
  });

  it.each([
    ['a token of an admin port that it does not have', ['--admin-token-file', 'token'], 2, /^mserve: --admin-token-file needs --admin\n$/],
    ['a wrong flag', ['--grace-ms', 'soon'], 2, /^mserve: --grace-ms must be a whole number from 0 to 3600000, but is "soon"\n$/],
    ['a wrong file', ['--config', file('wrong.yaml', 'grace: 1\n')], 78, /wrong\.yaml:1: unknown key 'grace', did you mean 'graceMs'\?\n$/],
    [
      'a certificate that is not there',
      ['--tls-certificate', 'gone.pem', '--tls-private-key', 'k.pem'],
      78,
      /--tls-certificate: cannot read gone\.pem/,
    ],
    [
      'the key of another certificate',
      ['--tls-certificate', file('c.pem', testCertificate), '--tls-private-key', file('other.pem', otherKey)],
      78,
      /^mserve: --tls-private-key: the key in .*other\.pem does not belong to the certificate in .*c\.pem\n$/,
    ],
  ])('ends, for %s, with a sentence and exit code', async (_name, args, code, text) => {
    expect(await mserve('serve', scratch.path, '--ops', '', ...args)).toEqual({ code, stdout: '', stderr: expect.stringMatching(text) });
  });
});

describe('mserve check --config', () => {
  it('finds nothing wrong with a good file, and checks the servables that it names', async () => {
    const { code, stdout } = await mserve('check', '--config', config);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^✓ .*mserve\.yaml\n✓ add.*\n {2}version 1: batching proven: .*\n\n1 servable checked, nothing wrong\.\n$/),
    ]);
  });

  it('says everything that is wrong with a file, and with the files that it names', async () => {
    const wrong = file('bad.yaml', 'maxMsgMbSize: 0\nrest: nowhere\n');
    const outcome = await mserve('check', '--config', wrong, '--json');
    expect([outcome.code, JSON.parse(outcome.stdout)]).toEqual([
      1,
      {
        ok: false,
        settings: {
          file: wrong,
          ok: false,
          problems: [expect.stringMatching(/bad\.yaml:2: rest must be/), expect.stringMatching(/bad\.yaml:1: maxMsgMbSize must be/)],
        },
        servables: [],
        passedOver: [],
      },
    ]);
    const unread = file('unread.yaml', 'tlsCertificate: gone.pem\ntlsPrivateKey: gone.key\n');
    const { code, stdout } = await mserve('check', '--config', unread);
    expect([code, stdout]).toEqual([
      1,
      expect.stringMatching(/^✗ .*unread\.yaml: 1 problem\n {2}\S*unread\.yaml:1: tlsCertificate: cannot read gone\.pem/),
    ]);
  });

  it('needs a directory or a file', async () => {
    expect(await mserve('check')).toMatchObject({ code: 2, stderr: expect.stringContaining('give DIR, --config FILE or both') });
  });
});
