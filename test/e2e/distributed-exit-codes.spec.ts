import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { command, mserve, type CommandOutcome } from '../support/command.js';
import { distributedCases, type DistributedCase } from '../support/distributed-cases.js';
import { CaseServable } from '../support/distributed-server.js';
import { freePort } from '../support/free-port.js';
import { root, startProcess } from '../support/running-process.js';

/** How `mserve distributed serve` and `agents` end when they cannot do their work: 1 for ranks that cannot be served, 78 for settings that are wrong (docs/cli.md). */

const cases = distributedCases(join(root, 'test/parity/distributed/cases'));
const named = (name: string): DistributedCase => cases.find((one) => one.name === name)!;
const one = named('mlp_tp_2');
let servable: CaseServable | undefined;

afterEach(() => {
  servable?.remove();
  servable = undefined;
});

function serving(of: DistributedCase, ...flags: readonly string[]): Promise<CommandOutcome> {
  servable = new CaseServable(of);
  return command(process.execPath, servable.command(...flags));
}

describe('mserve distributed serve ends with', () => {
  it('1 and the reason for ranks that do not make one model', async () => {
    const { code, stdout, stderr } = await serving(named('bad_swapped_stage_4'));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/mserve: .*rank 1, collective 1 .*rank not in group/);
  }, 180_000);

  it('1 for a device that this machine does not have', async () => {
    const { code, stderr } = await serving(one, '--provider', 'nonsense');
    expect(code).toBe(1);
    expect(stderr).toMatch(/mserve: .*rank \d: .*no provider "nonsense"/);
  }, 180_000);

  it('78 for a key file that cannot be read', async () => {
    const { code, stderr } = await serving(one, '--dec-key-file', '/nowhere/key');
    expect(code).toBe(78);
    expect(stderr).toContain('cannot read the key file /nowhere/key');
  }, 180_000);

  it('78 when its agents cannot use their settings', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mserve-table-'));
    const table = join(folder, 'table.json');
    const device = [99_999, 1].map((id, rank) => ({ device_id: String(id), rank_id: String(rank) }));
    writeFileSync(table, JSON.stringify({ server_list: [{ server_id: '127.0.0.1', device }] }));
    servable = new CaseServable(one);
    const args = servable.command().map((arg) => (arg.endsWith('rank_table.json') ? table : arg));
    const { code, stdout, stderr } = await command(process.execPath, args);
    rmSync(folder, { recursive: true });
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toContain('--device-ids');
    expect(stderr).toContain('mserve: the agent of rank 0 cannot use its settings and is not started again');
  }, 180_000);
});

describe('mserve distributed agents ends with', () => {
  const files = ['--model-files', join(one.folder, 'rank_{rank}.mindir')];

  it('78 without the files of the ranks', async () => {
    expect(await mserve('distributed', 'agents', '--distributed-address', '127.0.0.1:1')).toMatchObject({ code: 78, stdout: '' });
  }, 180_000);

  it('78 when an agent cannot have its port', async () => {
    servable = new CaseServable(one);
    const address = ['--distributed-address', `127.0.0.1:${await freePort()}`];
    const worker = startProcess(process.execPath, [
      ...[join(root, 'apps/server/bin/mserve.mjs'), 'distributed', 'start', servable.directory, ...address],
      ...['--servable', 'net', '--rank-table', join(one.folder, 'rank_table.json'), '--rest', '127.0.0.1:0', '--grpc', ''],
    ]);
    // The second rank would have port 65536
    const { code, stderr } = await mserve('distributed', 'agents', ...address, ...files, '--agent-port', '65535');
    await worker.stop();
    expect(code).toBe(78);
    expect(stderr).toContain('mserve: the agent of rank 1 cannot use its settings and is not started again');
  }, 180_000);
});
