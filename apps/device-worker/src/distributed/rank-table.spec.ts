import { describe, expect, it } from '@jest/globals';
import { parseRankTable, readRankTable } from './rank-table.js';

const rules = { rankSize: 2, stageSize: 1, isAscend: false };

const device = (deviceId: number | string, rank: number | string): object => ({
  device_id: String(deviceId),
  device_ip: '192.1.27.6',
  rank_id: String(rank),
});
const server = (ip: string, device: readonly object[]): object => ({ server_id: ip, host_nic_ip: 'reserve', device });
const formA = (...servers: object[]): string => JSON.stringify({ version: '1.0', server_list: servers, status: 'completed' });
const formB = (...instances: object[]): string => JSON.stringify({ group_list: [{ instance_list: instances }] });

describe('a rank table', () => {
  it('lists the devices of servers', () => {
    expect(parseRankTable(formA(server('10.0.0.1', [device(0, 0)]), server('10.0.0.2', [device(0, 1)])), 'F', rules)).toEqual([
      { rank: 0, ip: '10.0.0.1', deviceId: 0 },
      { rank: 1, ip: '10.0.0.2', deviceId: 0 },
    ]);
  });

  it('or lists instances in groups', () => {
    const instance = (rank: number): object => ({ server_id: '::1', rank_id: String(rank), devices: [{ device_id: String(rank + 4) }] });
    expect(parseRankTable(formB(instance(0), instance(1)), 'F', rules)).toEqual([
      { rank: 0, ip: '::1', deviceId: 4 },
      { rank: 1, ip: '::1', deviceId: 5 },
    ]);
  });

  it.each<[string, string, string]>([
    ['text', 'ranks', 'it is not JSON'],
    ['a list', '[]', 'an object is expected'],
    ['no server', '{}', 'server_list: a list is expected'],
    ['no rank', formA(), 'device size not match rank_id in F'],
    ['ranks in another order', formA(server('10.0.0.1', [device(0, 1), device(1, 0)])), 'device size not match rank_id in F'],
    [
      'a rank too few',
      formA(server('10.0.0.1', [device(0, 0)])),
      "Rank size 1 declared in rank table file 'F' not equal to 2 declared in servable config",
    ],
    ['a device twice', formA(server('10.0.0.1', [device(0, 0), device(0, 1)])), 'device 0 of 10.0.0.1 has two ranks'],
    ['a host name', formA(server('server', [device(0, 0)])), 'server_list[0].server_id: an IP address is expected'],
    ['a negative number', formA(server('10.0.0.1', [device('-1', 0)])), 'device_id: a whole number in decimal digits is expected'],
    ['two devices', formB({ server_id: '10.0.0.1', rank_id: '0', devices: [{}, {}] }), 'devices: one device is expected'],
  ])('with %s is refused', (_, text, refusal) => {
    expect(() => parseRankTable(text, 'F', rules)).toThrow(refusal);
  });

  it('that is not there is refused', () => {
    expect(() => readRankTable('/nowhere/table.json', rules)).toThrow("Cannot access rank table file '/nowhere/table.json': ENOENT");
  });
});

describe('a rank table for Ascend', () => {
  const ascend = (rankSize: number, stageSize: number): typeof rules => ({ rankSize, stageSize, isAscend: true });
  const eight = (ip: string, first: number): object =>
    server(
      ip,
      Array.from({ length: 8 }, (_, index) => device(index, first + index)),
    );

  it('fills machines of eight cards with the ranks of a stage', () => {
    expect(parseRankTable(formA(eight('10.0.0.1', 0), eight('10.0.0.2', 8)), 'F', ascend(16, 2))).toHaveLength(16);
  });

  it('has no ninth card, and no stage of half a machine', () => {
    expect(() => parseRankTable(formA(server('10.0.0.1', [device(8, 0)])), 'F', ascend(1, 1))).toThrow(
      'device id 8 of rank 0 is not below 8',
    );
    expect(() => parseRankTable(formA(eight('10.0.0.1', 0)), 'F', ascend(8, 2))).toThrow('have to be a multiple of 8');
    expect(parseRankTable(formA(eight('10.0.0.1', 0)), 'F', { ...rules, rankSize: 8, stageSize: 2 })).toHaveLength(8);
  });

  it('keeps eight ranks of a stage on one machine', () => {
    const [four, rest] = [0, 4].map((first) => Array.from({ length: 4 }, (_, index) => device(first + index, first + index)));
    const split = formA(server('10.0.0.1', four!), server('10.0.0.2', rest!), eight('10.0.0.3', 8));
    expect(() => parseRankTable(split, 'F', ascend(16, 2))).toThrow('rank 4 is on device 4 of 10.0.0.2');
  });
});
