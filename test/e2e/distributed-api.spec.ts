import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { encryptedBlock } from '../../libs/mindir/src/testing/encrypted-block.js';
import { differenceOf } from '../parity/mindir/comparison.js';
import { command } from '../support/command.js';
import { distributedCases } from '../support/distributed-cases.js';
import { CaseServable, nestedLists, tensorOfLists } from '../support/distributed-server.js';
import { root } from '../support/running-process.js';

const one = distributedCases(join(root, 'test/parity/distributed/cases')).find(({ name }) => name === 'mlp_tp_2')!;

/** A program with both calls, on a port of its own. What it prints is checked here. */
const program = `
  import { createServer } from 'node:net';
  import { distributed } from '@mserve/server';
  const { directory, table, models, configs, key, body } = JSON.parse(process.argv[1]);
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = '127.0.0.1:' + server.address().port;
  await new Promise((resolve) => server.close(resolve));
  const [agents, serving] = await Promise.all([
    distributed.startupAgents(address, models, configs, 0, undefined, undefined, Buffer.from(key, 'hex')),
    distributed.startServable(directory, 'net', table, 1, address),
  ]);
  const rest = await serving.startRestfulServer('127.0.0.1:0');
  const ask = async () => (await fetch('http://' + rest + '/model/net:predict', { method: 'POST', body })).json();
  const before = await ask();
  process.kill(agents.pids[1], 'SIGKILL');
  const after = await ask();
  await serving.stop();
  await agents.close();
  console.log(JSON.stringify([before, after]));
`;

it('a program starts agents of encrypted files and their servable; an agent that is killed comes back', async () => {
  const servable = new CaseServable(one);
  const key = Buffer.alloc(16, 7);
  const folder = mkdtempSync(join(tmpdir(), 'mserve-sealed-'));
  const models = [0, 1].map((rank) => {
    const path = join(folder, `rank_${rank}.mindir`);
    writeFileSync(path, encryptedBlock('AES-GCM', key, readFileSync(join(one.folder, `rank_${rank}.mindir`))));
    return path;
  });
  const configs = [0, 1].map((rank) => join(one.folder, `group_config_${rank}.pb`));
  const body = JSON.stringify({ instances: [{ x0: nestedLists(one.inputs[0]![0]!) }] });
  const table = join(one.folder, 'rank_table.json');
  const given = JSON.stringify({ directory: servable.directory, table, models, configs, key: key.toString('hex'), body });
  const { code, stdout, stderr } = await command(process.execPath, ['--input-type=module', '-e', program, given]);
  servable.remove();
  rmSync(folder, { recursive: true });
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const expected = one.outputs[0]!;
  for (const answer of JSON.parse(stdout) as { instances: Record<string, unknown>[] }[]) {
    const output = tensorOfLists(answer.instances[0]?.['output_0'], expected[0]!.dtype);
    expect(differenceOf([output], expected, one.tolerance)).toBeUndefined();
  }
}, 90_000);
