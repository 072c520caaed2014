import { expect, it } from '@jest/globals';
import { silentLog } from '@mserve/app';
import { consoleLog } from './console-log.js';

it('says of which servable, version and device a line is, as far as it is of one', () => {
  const lines: string[] = [];
  const log = consoleLog((line) => void lines.push(line), silentLog);
  log.error({ servable: 'net', version: 2, deviceId: 0, err: new Error('no file') }, 'replica could not be loaded');
  log.error({ servable: 'net', broken: [5], serving: [2] }, 'versions could not be loaded: what served before goes on');
  log.warn({ servable: 'net', version: 0, deviceId: 1 }, 'a remark');
  log.warn({ size: 3 }, 'about no servable');
  log.info({ servable: 'net' }, 'not on the console');
  expect(lines).toEqual([
    '✗ net version 2, device 0: replica could not be loaded: no file',
    '✗ net: versions could not be loaded: what served before goes on {"broken":[5],"serving":[2]}',
    '! net, device 1: a remark',
    '! about no servable {"size":3}',
  ]);
});
