import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { describeDigits } from './digits.contract.js';

describe('mserve serve examples, embedded', () => {
  let server: RunningProcess & ServerAddresses;
  beforeAll(async () => {
    server = await serveDirectory('examples', ['--servable', 'digits', '--device-ids', '0,1']);
  }, 60_000);
  afterAll(() => server?.stop());

  describeDigits(() => server);

  it('ends with exit code 0 when asked to, also when the terminal and npx both say so', async () => {
    server.child.kill('SIGINT');
    expect(await server.stop('SIGINT')).toBe(0);
  });
});
