/** A small fleet in the foreground: private nats-server, one gateway, one scheduler, two device-workers. Ends its processes when it ends. */
import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureNatsServer } from '../scripts/nats-server.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: {
    servables: { type: 'string' },
    rest: { type: 'string', default: '127.0.0.1:21410' },
    grpc: { type: 'string', default: '127.0.0.1:21411' },
    'nats-port': { type: 'string', default: '21412' },
  },
});

const children = [];
let ending = false;
function end() {
  ending = true;
  for (const child of children) child.kill('SIGTERM');
}
function start(name, command, args) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  child.on('exit', (code) => {
    if (ending) return;
    process.stderr.write(`${name} ended with exit code ${code}\n`);
    process.exitCode = 1;
    end();
  });
  children.push(child);
}
process.on('SIGTERM', end);
process.on('SIGINT', end);

const config = join(mkdtempSync(join(tmpdir(), 'mserve-fleet-')), 'nats.conf');
writeFileSync(config, `listen: "127.0.0.1:${values['nats-port']}"\nmax_payload: 1MB\nmax_pending: 64MB\n`);
const nats = `nats://127.0.0.1:${values['nats-port']}`;
const node = (app, ...args) => start(app, process.execPath, ['apps/server/dist/main.js', 'app', app, '--nats', nats, ...args]);
start('nats-server', await ensureNatsServer(), ['-c', config]);
node('gateway', '--rest', values.rest, '--grpc', values.grpc);
node('scheduler');
node('device-worker', '--directory', values.servables, '--device-ids', '0', '--intra-op-threads', '1');
node('device-worker', '--directory', values.servables, '--device-ids', '1', '--intra-op-threads', '1');
