import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { command } from '../support/command.js';
import { root } from '../support/running-process.js';

/** Commands that reach something else than mserve: the reason on stderr, nothing on stdout. */

const infer = ['infer', '--servable', 's', '--method', 'm', '--input', 'x=1', '--rest'];
const list = ['models', 'list', '--admin'];

it.each([
  [infer, 'null', /the server's answer is not understood: the (?:metadata|configuration) is no object; is it an mserve server\?/],
  [infer, '[]', /not understood: the (?:metadata|configuration) is no object/],
  [infer, '<html>', /not understood: it is no JSON; is it an mserve server\?/],
  [infer, '{"inputs":5}', /not understood: max_batch_size is no whole number/],
  [list, 'null', /answered 200 with something that is no JSON object; is it an mserve admin port\?/],
  [list, '{}', /answered 200 with something else than lists of workers and servables; is it an mserve admin port\?/],
])('%j, answered with %s', async (args, answer, text) => {
  const other = createServer((_request, response) => response.end(answer));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const program = [join(root, 'apps/server/bin/mserve.mjs'), ...args, `127.0.0.1:${port}`];
  const outcome = await command(process.execPath, program, { MSERVE_ADMIN_TOKEN: 't'.repeat(32) });
  await new Promise((resolve) => other.close(resolve));
  expect(outcome).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(text) });
});
