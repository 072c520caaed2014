import { describe, expect, it } from '@jest/globals';
import { mserve } from '../support/command.js';

describe('mserve app', () => {
  it.each([
    ['gateway', '--rest'],
    ['scheduler', '--mixed-models'],
    ['device-worker', '--device-ids'],
    ['agent', '--rank-size'],
  ])('%s has the settings of that app as flags', async (name, flag) => {
    const { code, stdout, stderr } = await mserve('app', name, '--help');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`  ${flag} `);
  });

  it.each(['worker', 'constructor', 'toString', '__proto__'])('%s is no app', async (name) => {
    const stderr = `mserve: there is no app '${name}': it is gateway, scheduler, device-worker or agent\n`;
    expect(await mserve('app', name)).toEqual({ code: 2, stdout: '', stderr });
  });
});
