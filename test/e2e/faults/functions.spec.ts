import type { FaultServer } from './fault-server.js';
import { faultTable, type FaultRow } from './fault-table.js';

const call = (server: FaultServer, method: string, values: readonly number[], timeoutMs = 30_000): Promise<string> =>
  server.post(`/model/fn:${method}`, `{"instances":[${values.map((x) => `{"x":${x}}`).join()}]}`, {
    'x-request-timeout-ms': `${timeoutMs}`,
  });

const functions: readonly FaultRow[] = [
  ['90a', 'a function that throws', (server) => call(server, 'positive', [-1]), /^500 .*Call .*picky.* Failed.*negative value/],
  [
    '90b',
    'a function that throws for one of two',
    (server) => call(server, 'positive', [1, -1]),
    /^200 \{"instances":\[\{"y":1\},\{"error_msg":"[^"]*negative value"\}\]\}$/,
  ],
  [
    '90c',
    'a function that gives three outputs for two',
    (server) => call(server, 'short', [1]),
    /^500 .*outputs number 3 .*expected|^500 .*not equal to the outputs number 2/,
  ],
  [
    '90d',
    'a function that waits past the deadline',
    async (server) => {
      const late = await call(server, 'sleep', [600_000], 300);
      return `${late.slice(0, 3)} then ${await call(server, 'positive', [5])}`;
    },
    /^504 then 200 \{"instances":\[\{"y":5\}\]\}$/,
  ],
  [
    '90e',
    'a function that never gives its thread back',
    async (server) => {
      const late = await call(server, 'forever', [1], 300);
      return `${late.slice(0, 3)} then ${await call(server, 'positive', [6])}`;
    },
    /^504 then 200 \{"instances":\[\{"y":6\}\]\}$/,
  ],
  [
    '21',
    'clients that leave in the middle of a call',
    async (server) => {
      const gone = new AbortController();
      const calls = Array.from({ length: 20 }, () =>
        fetch(`http://${server.rest}/model/fn:sleep`, { method: 'POST', body: '{"instances":[{"x":600000}]}', signal: gone.signal }).catch(
          (error: Error) => error.name,
        ),
      );
      await server.until(({ inHand }) => inHand === 20);
      gone.abort();
      return (await Promise.all(calls)).join();
    },
    /^(AbortError,?){20}$/,
  ],
];

faultTable('functions', {}, functions);
