import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, it } from '@jest/globals';
import { RawConnection } from '../../../apps/gateway/src/testing/raw-connection.js';
import { testCertificate, testPrivateKey } from '../../../apps/gateway/src/testing/tls-fixture.js';
import { mserve } from '../../support/command.js';
import { folderObstacles } from '../../support/read-only.js';
import type { FaultServer } from './fault-server.js';
import { faultTable, type FaultRow } from './fault-table.js';

/**
 * What goes wrong around a server: handshakes, its configuration, its logs, its clock. A configuration that is read again while it runs is in signals.spec.ts; other
 * handshakes and certificates that change are in certificate-watch.spec.ts.
 */

const folder = mkdtempSync(join(tmpdir(), 'mserve-faults-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

/** Says `text`, then nothing. What came until the server ended the connection. */
async function handshake(address: string, text: string): Promise<string> {
  const connection = await RawConnection.open(address);
  connection.socket.write(text, 'latin1');
  await connection.until(() => connection.closed);
  return `${connection.received.length} bytes, closed`;
}
const hello = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03';
const overTls11 = (address: string): Promise<string> =>
  new Promise((resolve) => {
    const [host, port] = address.split(':');
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const;
    const socket = connectTls({ host, port: Number(port), ca: testCertificate, ...old }, () => {
      resolve(`spoke ${socket.getProtocol()}`);
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(`refused, ${error.code}`));
  });

const handshakes: readonly FaultRow[] = [
  [
    '22',
    'no handshake, and half a ClientHello, at both ports',
    async ({ rest, ready }) => {
      const all = [rest, ready.grpc].flatMap((address) => [handshake(address, ''), handshake(address, hello)]);
      return (await Promise.all(all)).join(', ');
    },
    /^(0 bytes, closed(, )?){4}$/,
  ],
  ['112c', 'HTTP without TLS at the REST port', ({ rest }) => handshake(rest, 'GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n'), /closed$/],
  ['112d', 'HTTP/2 without TLS at the gRPC port', ({ ready }) => handshake(ready.grpc, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), /closed$/],
  ['112e', 'TLS 1.1 at the REST port', ({ rest }) => overTls11(rest), /^refused, ERR_SSL_\w*PROTOCOL_VERSION$/],
  ['112f', 'TLS 1.1 at the gRPC port', ({ ready }) => overTls11(ready.grpc), /^refused, ERR_SSL_\w*PROTOCOL_VERSION$/],
];

/** `mserve serve` with this config file ends: its exit code, and what it says. */
async function started(name: string, text: string): Promise<string> {
  const { code, stderr } = await mserve('serve', '--config', file(name, text));
  return `${code} ${stderr.replaceAll(folder, 'D').trim()}`;
}

const configurations: readonly FaultRow[] = [
  [
    '110a',
    'an unknown key, and a value that is not allowed',
    async () => `${await started('key.yaml', 'rest: 127.0.0.1:0\ngrace: 1\n')} then ${await started('value.yaml', '\nmaxInFlight: 0\n')}`,
    /^78 mserve: D\/key\.yaml:2: unknown key 'grace', did you mean 'graceMs'\? then 78 mserve: D\/value\.yaml:2: maxInFlight must be a whole number from 1 /,
  ],
  ['110b', 'no YAML', () => started('text.yaml', 'rest: [\n'), /^78 mserve: D\/text\.yaml:2: neither YAML nor JSON: /],
  ['110c', 'a list', () => started('list.yaml', '\n- rest\n'), /^78 mserve: D\/list\.yaml:2: settings are expected, KEY: VALUE$/],
  [
    '110d',
    'settings that do not go together',
    () => started('rule.yaml', 'rest: 127.0.0.1:0\ntlsCertificate: c.pem\n'),
    /^78 mserve: D\/rule\.yaml:2: tlsCertificate needs --tls-private-key$/,
  ],
  [
    '110e',
    'a file of a setting that is not there',
    () => started('named.yaml', 'rest: 127.0.0.1:0\ngrpc: ""\nops: ""\naccessFile: D/none.json\n'),
    /^78 mserve: D\/named\.yaml:4: accessFile: cannot read D\/none\.json: ENOENT$/,
  ],
  [
    '110f',
    'a port that is taken',
    async () => {
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as AddressInfo;
      const said = await started('taken.yaml', `directory: examples\nservables: [add]\nrest: 127.0.0.1:${port}\ngrpc: ""\nops: ""\n`);
      other.close();
      return said.replace(String(port), 'PORT');
    },
    /^1 mserve: Serving Error: RESTful server start failed, bind to the socket address 127\.0\.0\.1:PORT failed \(another process has it\)$/,
    'the file is right, and its line would not say who has the port; the original’s words, with the address and the reason',
  ],
];

const failing = (server: FaultServer): Promise<string> => server.post('/model/fn:positive', '{"instances":[{"x":-1}]}');
/** Has a function fail, which is logged, until the metric counts: lines are written a little later. */
async function untilCounted(server: FaultServer, metric: string): Promise<string> {
  const before = await server.metric(metric);
  for (;;) {
    const answer = await failing(server);
    if (!answer.startsWith('500 ')) return answer;
    if ((await server.metric(metric)) > before) return 'counted';
  }
}

const hasFull = existsSync('/dev/full');
const logs: readonly FaultRow[] = [
  ...(hasFull
    ? [
        [
          '111a',
          'a full disk below the log file of a servable',
          (server: FaultServer) => untilCounted(server, 'mserve_worker_serving_log_lines_lost_total'),
          /^counted$/,
        ] as const,
      ]
    : []),
  [
    '111b',
    'nobody reads stdout and stderr any more',
    (server) => {
      server.leaveOutput();
      return untilCounted(server, 'mserve_process_write_failures_total');
    },
    /^counted$/,
  ],
];
const logFolder = mkdtempSync(join(folder, 'logs-'));
if (hasFull) symlinkSync('/dev/full', join(logFolder, 'log_fn_device0_version1.log'));

/** Of a server whose log files nothing else keeps from being written. */
const freeLogFolder = join(folder, 'free-logs');
mkdirSync(freeLogFolder);
const logFolders = folderObstacles.map(({ what, missing, begin, end }, i) => ({
  missing,
  row: [
    `111${'cd'[i]}`,
    `log files of servables, and ${what}, while it serves`,
    async (server: FaultServer) => {
      begin(freeLogFolder);
      try {
        return await untilCounted(server, 'mserve_worker_serving_log_lines_lost_total');
      } finally {
        end(freeLogFolder);
      }
    },
    /^counted$/,
  ] satisfies FaultRow,
}));

/** The clock of a process that it is loaded into, shifted by the seconds that a file holds; the time since some moment goes on as it does. */
const clockSource = `#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long* shift;
__attribute__((constructor)) static void load(void) {
  int file = open(getenv("CLOCK_SHIFT"), O_RDONLY);
  void* at = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
  if (at != MAP_FAILED) shift = at;
  close(file);
}
int clock_gettime(clockid_t id, struct timespec* now) {
  int result = (int)syscall(SYS_clock_gettime, id, now);
  if (result == 0 && shift && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += *shift;
  return result;
}
int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  (void)zone;
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}
time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
`;
const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
const canShift = process.platform === 'linux' && compiler !== undefined;
const shiftFile = file('shift', '\0'.repeat(8));

function shiftClock(seconds: number): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(seconds));
  const opened = openSync(shiftFile, 'r+');
  writeSync(opened, bytes, 0, 8, 0);
  closeSync(opened);
}

const sleep = (server: FaultServer, ms: number, timeoutMs: number): Promise<string> =>
  server.post('/model/fn:sleep', `{"instances":[{"x":${ms}}]}`, { 'x-request-timeout-ms': `${timeoutMs}` });

const clocks = [
  ['112a', 'the clock goes an hour ahead', 3600],
  ['112b', 'the clock goes an hour back', -3600],
].map(([number, sent, seconds]): FaultRow => [
  number as string,
  sent as string,
  async (server) => {
    const { inHand } = await server.state();
    const waiting = sleep(server, 700, 60_000);
    await server.until((now) => now.inHand > inHand);
    const before = await server.state();
    shiftClock(seconds as number);
    const { clock } = await server.state();
    const answer = await waiting;
    const late = await sleep(server, 600_000, 300);
    const short = await sleep(server, 1, 60_000);
    return `${Math.round((clock - before.clock) / 3.6e6)} h, ${[answer, late, short].map((text) => text.slice(0, 3)).join(' ')}`;
  },
  (seconds as number) > 0 ? /^1 h, 200 504 200$/ : /^-2 h, 200 504 200$/,
]);

const tls = {
  tlsCertificate: file('c.pem', testCertificate),
  tlsPrivateKey: file('k.pem', testPrivateKey),
  headersTimeoutMs: 1500,
};
faultTable('handshakes', tls, handshakes, undefined, { ca: testCertificate });
faultTable('configuration and logs', { ops: '127.0.0.1:0', servingLogs: logFolder }, [...configurations, ...logs]);
faultTable(
  'log folders',
  { ops: '127.0.0.1:0', servingLogs: freeLogFolder },
  logFolders.filter(({ missing }) => missing === undefined).map(({ row }) => row),
);
for (const { missing, row } of logFolders) if (missing !== undefined) it.skip(`${row[0]} ${row[1]} (skipped: ${missing})`, () => undefined);
if (canShift) {
  const library = join(folder, 'clock.so');
  execFileSync(compiler, ['-shared', '-fPIC', '-O1', '-o', library, file('clock.c', clockSource)]);
  faultTable('clock', {}, clocks, undefined, { env: { LD_PRELOAD: library, CLOCK_SHIFT: shiftFile } });
}
