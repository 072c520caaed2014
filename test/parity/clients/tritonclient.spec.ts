import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hasPython, pythonWith } from '../../support/python.js';
import { root, serveDirectory, type RunningProcess, type ServerAddresses } from '../../support/running-process.js';

const python = hasPython();

(python ? describe : describe.skip)(`tritonclient${python ? '' : ' (skipped: there is no python3 with venv on this machine)'}`, () => {
  let server: RunningProcess & ServerAddresses;
  let interpreter: string;
  beforeAll(async () => {
    interpreter = pythonWith(['tritonclient[all]==2.73.0', 'numpy<3', 'pillow']);
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
});
