/**
 * `npm start`: from a fresh clone to a served model. Sets up, serves examples/digits embedded, sends it one real image, and prints
 * how to do the same by hand. Arguments go on to `mserve serve` (for example `npm start -- --rest 127.0.0.1:8080`).
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fail, root, setUp } from './setup.mjs';

const image = 'examples/digits/images/digit_7.png';

/** Starts the server; resolves with its one line of JSON when it is ready. */
function serve(extraArgs) {
  const args = ['--enable-source-maps', 'apps/server/dist/main.js', 'serve', 'examples', '--servable', 'digits', '--json', ...extraArgs];
  const server = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = new Promise((resolve, reject) => {
    const lines = createInterface({ input: server.stdout });
    lines.once('line', (line) => resolve(JSON.parse(line)));
    server.once('exit', (code) => reject(new Error(`The server ended with exit code ${code} before it was ready (its message is above).`)));
    server.once('error', reject);
  });
  return { server, ready };
}

async function classify(rest) {
  // It is built by now
  const { Client } = await import('@mserve/client');
  const client = new Client(`http://${rest}`);
  try {
    return await client.infer('digits', 'classify', { image: readFileSync(join(root, image)) });
  } finally {
    await client.close();
  }
}

function tell({ rest, grpc, docs }, answer) {
  const share = Math.max(...answer.probabilities.data);
  process.stdout.write(`
mserve serves examples/digits.

  sent      ${image}
  answer    label ${answer.label} (probability ${share.toFixed(4)})

Try it yourself:
  curl -s http://${rest}/model/digits:classify -d "{\\"instances\\":[{\\"image\\":{\\"b64\\":\\"$(base64 < ${image} | tr -d '\\n')\\"}}]}"
  grpcurl -plaintext -d "{\\"model_name\\":\\"digits.classify\\",\\"inputs\\":[{\\"name\\":\\"image\\",\\"datatype\\":\\"BYTES\\",\\"shape\\":[1],\\"contents\\":{\\"bytes_contents\\":[\\"$(base64 < ${image} | tr -d '\\n')\\"]}}]}" ${grpc} inference.GRPCInferenceService/ModelInfer
  npx mserve infer --servable digits --method classify --input image=@${image}${rest === '127.0.0.1:1500' ? '' : ` --rest ${rest}`}
  node examples/digits/client.mjs http://${rest} ${image}

  API docs  ${docs ?? 'switched off: REST is not on loopback (--docs switches them on)'}

Ctrl+C stops the server.
`);
}

// npm runs this under a shell that does not pass SIGTERM on: this process then has another parent
const parent = process.ppid;
let end = () => process.exit(1);
const parentCheck = setInterval(() => {
  if (process.ppid === parent) return;
  clearInterval(parentCheck);
  end();
}, 500);
parentCheck.unref();

try {
  await setUp();
  const { server, ready } = serve(process.argv.slice(2));
  end = () => server.kill('SIGTERM');
  // The terminal sends Ctrl+C to the server too; this process only waits for it. A plain `kill` of this process is passed on.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGQUIT', 'SIGHUP']) process.on(signal, () => server.kill(signal));
  const ended = new Promise((resolve) => server.once('exit', (code, signal) => resolve(code ?? (signal ? 1 : 0))));
  const addresses = await ready;
  try {
    tell(addresses, await classify(addresses.rest));
  } catch (error) {
    server.kill('SIGTERM');
    throw error;
  }
  process.exit(await ended);
} catch (error) {
  fail(error.message);
}
