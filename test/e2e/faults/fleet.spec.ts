import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { root } from '../../support/running-process.js';

/**
 * The rows 91 to 112 of the project's list of faults: those of the bus, of processes, of load and of operations, by the tests that hold them. Of the last three this
 * is what is not in operations.spec.ts.
 */

type Row = readonly [row: string, fault: string, ...tests: readonly (readonly [spec: string, title: string])[]];

const security = 'test/e2e/bus-security.spec.ts';
const natsFaults = 'libs/bus/src/nats/nats-faults.spec.ts';
const table = 'apps/scheduler/src/replicas/replica-table.spec.ts';
const dispatcher = 'apps/scheduler/src/dispatch/dispatcher.spec.ts';
const simulation = 'apps/scheduler/src/dispatch/simulation.spec.ts';
const inferPath = 'apps/gateway/src/infer/infer-path.spec.ts';
const outages = 'test/e2e/outages.spec.ts';
const chaos = ['test/e2e/chaos.spec.ts', 'loses nothing, at ${clients} clients with a deadline of ${deadlineMs} ms'] as const;
const signals = 'test/e2e/signals.spec.ts';
const certificates = 'apps/gateway/src/tls/certificate-watch.spec.ts';
const ports = 'apps/gateway/src/ingress/tls.spec.ts';
const fleetCommand = 'test/e2e/fleet-command.spec.ts';
const killed = [fleetCommand, 'nobody sees one of two schedulers, workers, or nats-server killed, and each is started again'] as const;

const rows: readonly Row[] = [
  [
    '91',
    'no login, or a wrong one; an open bus that others can reach',
    [security, 'keeps out whoever has no login, and lets no role do the part of another'],
    [natsFaults, 'refuses wrong and missing credentials at once and for good'],
    ['libs/config/src/load-settings.spec.ts', 'settings that go together'],
    [fleetCommand, 'keeps its logins and its socket to itself'],
  ],
  ['92', 'a stolen login that listens', ['libs/bus/src/nats/fleet-users.spec.ts', 'does not hear %s']],
  [
    '93',
    'forged answers',
    [security, 'takes none of 1 000 answers that a stolen worker forges for requests in hand, though it is told their ids'],
    [natsFaults, 'lets a stolen worker account neither listen to gateways nor answer for others'],
    [inferPath, 'drops answers of a worker that was not given the instances, and refusals of none of its schedulers'],
  ],
  [
    '94',
    'a rogue worker',
    [table, 'keeps a replica with another signature out until those it differs from are gone'],
    [table, 'is set aside by name, until those it differs from are gone for a minute'],
    [table, 'does not take the place of those that are started again, or were cut off'],
    [
      security,
      'sets a worker aside, by name, that brings other bytes under the name and version of a servable, and takes none of its answers',
    ],
  ],
  [
    '95',
    'garbage on every subject',
    [security, 'goes on under garbage on every subject, replayed tickets and receipts of nothing'],
    [natsFaults, 'is dropped and counted on every one, and everything goes on'],
  ],
  ['96', 'a message over max_payload', [natsFaults, 'handles messages over a small max_payload']],
  [
    '97',
    'what is delivered twice',
    [dispatcher, 'takes a ticket that is delivered twice once, and of a resent one what is missing'],
    [inferPath, 'puts portions of an answer together, in any order, first answer of an instance wins'],
  ],
  ['98', 'answers after the deadline', [inferPath, 'answers what misses its deadline at once, and cancels it']],
  [
    '99',
    'nats-server is killed under load',
    [outages, 'nobody sees nats-server restart'],
    killed,
    [inferPath, 'refuses what has waited for unavailableGraceMs, misses its deadline, or whose client has left'],
  ],
  [
    '100',
    'nats-server or the network freezes',
    chaos,
    [natsFaults, 'notices a server that stopped answering, and goes on when it answers again'],
    [table, 'takes workers that fall silent together for cut off: what they had is kept, and blamed for no death'],
  ],
  [
    '101',
    'a subscriber freezes',
    chaos,
    [
      'libs/bus/src/nats/frozen-subscriber.spec.ts',
      'is cut off by the server, alone: others hear what is theirs meanwhile, and it comes back when it goes on',
    ],
    [natsFaults, 'drains no longer than its grace for a receiver that does not pull'],
  ],
  [
    '102',
    'a certificate of another authority at the bus, or one that has expired',
    [
      'libs/app/src/fleet-tls.spec.ts',
      'is not joined with a certificate that has expired, or is of an authority that nobody named: the app ends with 78 and says why',
    ],
    [
      'libs/app/src/fleet-tls.spec.ts',
      'is not joined under an IP address by a certificate for localhost, or one of another authority, or without TLS',
    ],
  ],
  [
    '103',
    'a worker is killed in the middle of a batch',
    killed,
    ['apps/scheduler/src/start-scheduler.spec.ts', 'gives the work of a worker that fell silent to another one'],
    [dispatcher, 'refuses what two workers had in hand when they died'],
  ],
  ['104', 'a worker is stopped, and goes on', chaos, [table, 'takes a worker that is silent for a second for lost']],
  [
    '105',
    'a worker that ends again and again',
    ['apps/server/src/fleet/supervised.spec.ts', 'is started again when it ends, later and later; a crash loop is said once'],
    [fleetCommand, 'sets it aside by name when two have ended of it, and serves the others'],
    ['apps/device-worker/src/replica/load-journal.spec.ts', 'blames nobody that was only loaded beside it'],
  ],
  [
    '106',
    'a scheduler is killed',
    [outages, 'nobody sees the only scheduler restart (%s)'],
    killed,
    [dispatcher, 'counts attempts that another scheduler made'],
  ],
  ['107', 'an agent dies', ['test/e2e/distributed-faults.spec.ts', 'an agent that is lost']],
  [
    '108',
    'each app is asked to end under load',
    [fleetCommand, 'a restart of everything, one after the other, loses nothing'],
    ['test/e2e/leaving.spec.ts', 'nobody sees one of them leave, and one that comes gets its share of the clients that are there'],
    [fleetCommand, 'ends with Ctrl+C in the right order, and leaves no process and no file'],
    [fleetCommand, 'begins to drain, a second time ends everything at once, and a third time changes nothing'],
    [signals, 'a server that cannot finish it within graceMs refuses it, counts it, and ends with 1'],
    [signals, 'a server ends at once, with 1, at a second signal'],
    ['apps/gateway/src/main.spec.ts', 'ends with 0 when it is asked to while it waits for NATS'],
    ['test/parity/start-api/start-api.spec.ts', 'Fail to start workers because of signal SIGINT or SIGTERM'],
  ],
  [
    '109',
    'more than can be done',
    [simulation, 'with deadlines of %i ms: what is done is done in time, and what is not is refused at once'],
    [simulation, 'of one servable, also without deadlines: another one gets its own'],
    [dispatcher, 'bounds the queued requests, refusing the newest'],
  ],
  [
    '110',
    'settings that are read again are wrong',
    [signals, 'SIGHUP takes what it can of the config file, says so, and what is wrong with the file ends nothing'],
    [
      'libs/app/src/fleet-app.spec.ts',
      'change nothing when they are wrong, or as they were; files that they name are read again nevertheless',
    ],
  ],
  [
    '111',
    'a log that cannot be written',
    ['test/e2e/broken-log.spec.ts', 'goes on when nobody reads its stdout and stderr any more, and counts'],
  ],
  [
    '112',
    'certificates: of another authority, ended soon, changed while they are used',
    [ports, 'serves over TLS 1.2 and later only'],
    [ports, 'asks clients for a certificate when it is told to'],
    ['test/parity/clients/upstream-client.spec.ts', 'over mutual TLS, and not without a certificate or with one of another authority'],
    [certificates, 'are told of 30 days before they end, at the start and once a day'],
    [certificates, 'are read again on demand, and change nothing for who is connected'],
  ],
];

describe('faults of a fleet are held by tests that are there', () => {
  it.each(rows)('%s: %s', (_row, _fault, ...tests) => {
    const missing = tests.filter(([spec, title]) => {
      const text = readFileSync(join(root, spec), 'utf8');
      return ![`'${title}'`, `\`${title}`].some((quoted) => text.includes(quoted));
    });
    expect(missing).toEqual([]);
  });

  it('has every row from 91 to 112', () => {
    expect(rows.map(([row]) => Number(row))).toEqual(Array.from({ length: 22 }, (_, i) => 91 + i));
  });
});
