import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { command } from '../../support/command.js';
import { hasPython } from '../../support/python.js';
import { root, serveDirectory, type RunningProcess, type ServerAddresses } from '../../support/running-process.js';
import { servableDirectory, type ServableDirectory } from '../../support/servables.js';
import { upstreamClient, type UpstreamClient } from '../../support/upstream-client.js';

/** The original's example servables, called by the original's own client and over REST: the answers are MindSpore's, as recorded in the cases. */

const python = hasPython();
const cases = join(root, 'test/parity/mindir/cases');
const needsPython = python ? '' : ' (skipped: there is no python3 with venv on this machine)';

async function callExamples(client: UpstreamClient, server: ServerAddresses, ...rest: string[]): Promise<unknown> {
  const script = join(root, 'test/parity/examples/call_examples.py');
  const { stdout, stderr } = await command(client.python, [script, server.rest, server.grpc, join(root, 'examples'), cases, ...rest], {
    PYTHONPATH: client.path,
  });
  const line = stdout.trim().split('\n').at(-1) ?? '';
  if (!line.startsWith('{')) throw new Error(`the client ended without an answer:\n${stdout}\n${stderr}`);
  return JSON.parse(line);
}

(python ? describe : describe.skip)(`the examples, called by the original's Python client and over REST${needsPython}`, () => {
  let client: UpstreamClient;
  beforeAll(() => {
    client = upstreamClient();
  }, 600_000);

  describe('mserve serve examples', () => {
    let server: RunningProcess & ServerAddresses;
    beforeAll(async () => {
      server = await serveDirectory('examples');
    }, 60_000);
    afterAll(() => server?.stop());

    it("serves all of them, with MindSpore's answers", async () => {
      expect(await callExamples(client, server)).toEqual({ differences: [], compared: 40 + 18 + 6 + 4 + 2 });
    }, 120_000);
  });

  const sealed = [
    { name: 'lenet5_enc_cbc16', notation: 'in hexadecimal' },
    { name: 'lenet5_enc_gcm16', notation: 'as bytes' },
    { name: 'lenet5_enc_gcm32', notation: 'in hexadecimal' },
    { name: 'lenet5_enc_sm4cbc', notation: 'as bytes' },
  ].map(({ name, notation }) => {
    const meta = JSON.parse(readFileSync(join(cases, name, 'meta.json'), 'utf8')) as { encryption: { mode: string; key_hex: string } };
    return { name, notation, mode: meta.encryption.mode, key: Buffer.from(meta.encryption.key_hex, 'hex') };
  });

  describe.each(sealed)('lenet encrypted with $mode ($name)', ({ name, notation, mode, key }) => {
    let directory: ServableDirectory;
    let keyFile: string;
    let flags: string[];
    beforeAll(() => {
      directory = servableDirectory();
      keyFile = join(directory.path, 'key');
      flags = ['--servable', 'lenet', '--dec-key-file', keyFile, '--dec-mode', mode];
      cpSync(join(root, 'examples/lenet/servable_config.ts'), join(directory.path, 'lenet/servable_config.ts'));
      mkdirSync(join(directory.path, 'lenet/1'));
      cpSync(join(cases, name, 'lenet.mindir'), join(directory.path, 'lenet/1/lenet.mindir'));
    });
    afterAll(() => directory?.remove());

    it(`gives the same answers with the key ${notation}`, async () => {
      writeFileSync(keyFile, notation === 'as bytes' ? key : `${key.toString('hex')}\n`);
      const server = await serveDirectory(directory.path, flags);
      try {
        expect(await callExamples(client, server, 'lenet')).toEqual({ differences: [], compared: 40 });
      } finally {
        await server.stop();
      }
    }, 60_000);

    it('does not start with another key, and tells neither', async () => {
      const wrong = Buffer.from(key).reverse();
      writeFileSync(keyFile, wrong);
      const outcome = await serveDirectory(directory.path, flags).then(
        (server) => server.stop(),
        (error: Error) => error.message,
      );
      rmSync(keyFile);
      expect(outcome).toMatch(/ended \(1\) before the line came[^]*lenet/);
      for (const secret of [key, wrong]) expect(outcome).not.toContain(secret.toString('hex'));
    }, 60_000);
  });
});
