import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { journalKey, LoadJournal } from './load-journal.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'mserve-journal-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A new life of a worker: what it was loading before, it did not survive. */
const life = (worker = 'worker-1'): LoadJournal => new LoadJournal(join(folder, `${worker}.json`));
const [killer, sound] = [journalKey('killer', 1, 'files'), journalKey('sound', 1, 'files')];

it('sets aside what two workers did not survive, and nothing else', () => {
  const first = life();
  expect([first.fatalFor(killer), first.isSuspect(killer)]).toEqual([undefined, false]);
  first.begin(killer);
  const second = life();
  expect([second.fatalFor(killer), second.isSuspect(killer), second.isSuspect(sound)]).toEqual([undefined, true, false]);
  second.begin(sound);
  second.end(sound);
  second.begin(killer);
  expect([life().fatalFor(killer), life().fatalFor(sound)]).toEqual([2, undefined]);
  // Of other files nothing is known
  expect(life().isSuspect(journalKey('killer', 1, 'new files'))).toBe(false);
});

it('blames nobody that was only loaded beside it', () => {
  for (let n = 0; n < 2; n++)
    for (const worker of ['worker-1', 'worker-2']) {
      const one = life(worker);
      one.begin(sound);
      one.begin(killer);
    }
  expect([life().fatalFor(sound), life('worker-2').fatalFor(killer), life().isSuspect(sound)]).toEqual([undefined, undefined, true]);
  const alone = life();
  alone.begin(sound);
  alone.end(sound);
  alone.begin(killer);
  for (const worker of ['worker-1', 'worker-2']) expect(life(worker).fatalFor(killer)).toBeGreaterThanOrEqual(2);
  expect(life('worker-2').fatalFor(sound)).toBeUndefined();
});

it('counts the deaths of all workers of a folder, and none of one that ended in good order', () => {
  life('worker-1').begin(killer);
  life('worker-1');
  const other = life('worker-2');
  other.begin(killer);
  other.close();
  other.end(killer);
  expect(life('worker-2').fatalFor(killer)).toBeUndefined();
  life('worker-2').begin(killer);
  expect([life('worker-2').fatalFor(killer), life('worker-3').fatalFor(killer)]).toEqual([2, 2]);
});

it('forgives, until it happens again', () => {
  life('worker-2').begin(killer);
  life('worker-2');
  life().begin(killer);
  const asked = life();
  expect(asked.fatalFor(killer)).toBe(2);
  asked.forgive('killer', 0);
  expect(asked.fatalFor(killer)).toBeUndefined();
  asked.begin(killer);
  expect(life().fatalFor(killer)).toBe(2);
});

it('reads what is no journal as an empty one, and is read by nobody else', () => {
  for (const text of ['', '[]', '{"loading":5,"deaths":{"a":1,"b":{"alone":"x"}}}']) {
    writeFileSync(join(folder, 'worker-1.json'), text);
    life().end(sound);
    expect(JSON.parse(readFileSync(join(folder, 'worker-1.json'), 'utf8'))).toEqual({ loading: [], deaths: {} });
  }
});
