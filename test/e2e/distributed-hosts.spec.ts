import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { differenceOf } from '../parity/mindir/comparison.js';
import { command } from '../support/command.js';
import { distributedCases } from '../support/distributed-cases.js';
import { CaseServable, nestedLists, tensorOfLists } from '../support/distributed-server.js';
import { ip, makeHosts, obstacleToNamespaces } from '../support/network-namespaces.js';
import { root, startProcess, type RunningProcess } from '../support/running-process.js';

/**
 * Two network namespaces as two hosts, each with a /dev/shm of its own: the worker and half of the ranks on one, the other half on the other. Ranks reach each other over one link, agents their
 * worker over another, so that the link between ranks can be cut alone.
 *
 *   node --experimental-vm-modules node_modules/jest/bin/jest.js test/e2e/distributed-hosts.spec.ts
 */

const one = distributedCases(join(root, 'test/parity/distributed/cases')).find(({ name }) => name === 'pipe2_tp2_4')!;
const mserve = join(root, 'apps/server/bin/mserve.mjs');
const hosts = [`mserve-a-${process.pid}`, `mserve-b-${process.pid}`] as const;
const why = obstacleToNamespaces();

/** A command as a host runs it. `ip netns exec` gives it mounts of its own, so that the next one sees nothing of its /dev/shm. */
function onHost(host: string, ...args: readonly string[]): readonly string[] {
  return ['netns', 'exec', host, 'sh', '-c', 'mount -t tmpfs tmpfs /dev/shm && exec "$@"', 'sh', ...args];
}

(why === undefined ? describe : describe.skip)(`two hosts${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  const running: RunningProcess[] = [];
  const servable = new CaseServable(one);
  const folder = mkdtempSync(join(tmpdir(), 'mserve-hosts-'));
  let rest: string;

  function start(host: string, ...args: readonly string[]): RunningProcess {
    const started = startProcess('ip', onHost(host, process.execPath, mserve, 'distributed', ...args));
    running.push(started);
    return started;
  }

  beforeAll(async () => {
    makeHosts(hosts, '10.77', ['ranks', 'control']);
    const table = {
      server_list: hosts.map((_, host) => ({
        server_id: `10.77.1.${host + 1}`,
        device: [0, 1].map((device) => ({ device_id: String(device), rank_id: String(2 * host + device) })),
      })),
    };
    writeFileSync(join(folder, 'rank_table.json'), JSON.stringify(table));
    const address = ['--distributed-address', '10.77.2.1:6200'];
    const files = ['--model-files', join(one.folder, 'rank_{rank}.mindir')];
    const configs = ['--group-config-files', join(one.folder, 'group_config_{rank}.pb')];
    const model = ['--servable', 'net', '--rank-table', join(folder, 'rank_table.json')];
    const ports = ['--rest', '10.77.2.1:5500', '--grpc', '', '--json'];
    const worker = start(hosts[0], 'start', servable.directory, ...model, ...address, ...ports);
    for (const host of hosts) start(host, 'agents', ...address, ...files, ...configs, '--agent-port', '0', '--log-level', 'info');
    ({ rest } = JSON.parse(await worker.line((line) => line.startsWith('{"rest"'))) as { rest: string });
  }, 90_000);

  afterAll(async () => {
    await Promise.all(running.map((started) => started.stop()));
    servable.remove();
    rmSync(folder, { recursive: true });
    for (const host of hosts) ip('netns', 'delete', host);
  }, 60_000);

  /** ok, or the status, or what is wrong. */
  async function ask(): Promise<string> {
    const body = JSON.stringify({ instances: [{ x0: nestedLists(one.inputs[0]![0]!) }] });
    const script = `fetch('http://${rest}/model/net:predict', { method: 'POST', body: process.argv[1] }).then(async (response) => console.log(response.status + ' ' + await response.text()))`;
    const { stdout } = await command('ip', onHost(hosts[1], process.execPath, '-e', script, body));
    const status = stdout.slice(0, 3);
    if (status !== '200') return status;
    const { instances } = JSON.parse(stdout.slice(4)) as { instances: Record<string, unknown>[] };
    const expected = one.outputs[0]!;
    return differenceOf([tensorOfLists(instances[0]?.['output_0'], expected[0]!.dtype)], expected, one.tolerance) ?? 'ok';
  }

  it('ranks of both give what the whole net gives, over TCP between them', async () => {
    expect(await ask()).toBe('ok');
    const line = await running[1]!.line((text) => text.includes('"the mesh stands"') && text.includes('"rank":0,'));
    expect((JSON.parse(line) as { sharing: string[] }).sharing).toEqual(['shared', expect.any(String), 'other-host', 'other-host']);
  }, 60_000);

  it('a link between ranks that is cut fails a batch with an error that may be retried, and serves again when it is back', async () => {
    ip('-n', hosts[1], 'link', 'set', 'ranks', 'down');
    expect(await ask()).toBe('503');
    ip('-n', hosts[1], 'link', 'set', 'ranks', 'up');
    expect(await ask()).toBe('ok');
  }, 90_000);
});
