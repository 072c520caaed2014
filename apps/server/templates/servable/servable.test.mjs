// Serves this folder's servable on free ports and calls it. Run it with: node --test {{name}}.test.mjs
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

const servable = '{{name}}';
const directory = dirname(import.meta.dirname);

/** The mserve command: MSERVE, or what is installed above this folder, or what is on the PATH. */
function mserve() {
  if (process.env.MSERVE) return process.env.MSERVE;
  for (let folder = directory; ; folder = dirname(folder)) {
    const command = join(folder, 'node_modules/.bin/mserve');
    if (existsSync(command)) return command;
    if (folder === dirname(folder)) return 'mserve';
  }
}

let server;
let rest;
before(async () => {
  const flags = ['serve', directory, '--servable', servable, '--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--json'];
  server = spawn(mserve(), flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  rest = await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`mserve serve ended with exit code ${code}`)));
    createInterface({ input: server.stdout }).on('line', (line) => resolve(JSON.parse(line).rest));
  });
});
after(() => server?.kill());

async function call(method, instances) {
  const response = await fetch(`http://${rest}/model/${servable}:${method}`, { method: 'POST', body: JSON.stringify({ instances }) });
  return { status: response.status, body: await response.json() };
}

// Numbers without a fraction would be sent as integers, which this model does not take.
test('predict doubles every instance', async () => {
  const { status, body } = await call('predict', [{ x: [0.5, 1.5, 2.5] }, { x: [-0.5, 0.25, 0.5] }]);
  assert.equal(status, 200);
  assert.deepEqual(body.instances, [{ y: [1, 3, 5] }, { y: [-1, 0.5, 1] }]);
});

test('predict_text reads and writes text', async () => {
  const { body } = await call('predict_text', [{ text: '1,2,3' }]);
  assert.deepEqual(body.instances, [{ y: '2,4,6' }]);
});

test('a wrong instance fails alone', async () => {
  const { body } = await call('predict_text', [{ text: 'one' }, { text: '0,0,1' }]);
  assert.match(body.instances[0].error_msg, /three numbers are expected/);
  assert.deepEqual(body.instances[1], { y: '0,0,2' });
});
