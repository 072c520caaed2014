/**
 * npm run schemathesis [-- --seconds N --seed N --servables DIR]: sends requests that schemathesis makes up from /openapi.json to a server with the servables of
 * examples/ and of DIR (default: those that bench/run.sh made, if there are any), and fails when an answer is not as the document says, or is a 5xx.
 * Needs schemathesis: `pip install schemathesis==4.32.5`, or its path in SCHEMATHESIS.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'mserve');
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
    servables: { type: 'string', default: join(cache, 'bench/servables') },
  },
});

/**
 * What is checked. Not positive_data_acceptance: JSON Schema cannot say that data has as many elements as the shape, or that an image is one, so not all that fits
 * the schema is accepted. Not missing_required_header and the checks of authentication: there are no such headers.
 */
const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'unsupported_method',
  'allow_header_conformance',
  'use_after_free',
  'ensure_resource_availability',
];

const command = process.env.SCHEMATHESIS ?? 'schemathesis';
if (spawnSync(command, ['--version'], { stdio: 'ignore' }).status !== 0) {
  console.error(`there is no ${command}: pip install schemathesis==4.32.5, or say where it is in SCHEMATHESIS`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'mserve-schemathesis-'));
process.exitCode = await main().finally(() => rmSync(folder, { recursive: true, force: true }));

async function main() {
  const directory = join(folder, 'servables');
  mkdirSync(directory);
  // Servables import packages of this workspace
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const source of [join(root, 'examples'), resolve(values.servables)].filter(existsSync))
    for (const name of readdirSync(source)) cpSync(join(source, name), join(directory, name), { recursive: true });
  const args = ['--enable-source-maps', 'apps/server/dist/main.js', 'serve', directory, '--json', '--ops', ''];
  const server = spawn(process.execPath, [...args, '--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const rest = await addressOf(server);
    const status = await exitOf(spawn(command, schemathesisArgs(rest), { cwd: folder, stdio: 'inherit', env: environment() }));
    const alive = server.exitCode === null && (await fetch(`http://${rest}/v2/health/ready`)).ok;
    if (!alive) console.error('the server is not ready any more');
    return status !== 0 || !alive ? 1 : 0;
  } finally {
    server.kill();
    if (server.exitCode === null) await exitOf(server);
  }
}

function schemathesisArgs(rest) {
  const limits = ['--max-time', values.seconds, '--seed', values.seed, '--request-timeout', '20'];
  return ['run', `http://${rest}/openapi.json`, '--checks', checks.join(','), ...limits, '--warnings', 'off', '--no-color'];
}

function environment() {
  return { ...process.env, SCHEMATHESIS_HOOKS: 'hooks', PYTHONPATH: join(root, 'scripts/schemathesis') };
}

async function addressOf(server) {
  for await (const line of createInterface({ input: server.stdout })) {
    if (line.startsWith('{"rest"')) return JSON.parse(line).rest;
    console.log(line);
  }
  throw new Error('the server ended before it was ready');
}

function exitOf(child) {
  return new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)));
}
