import { describe, expect, it } from '@jest/globals';
import { prettyLine } from './pretty-line.js';

describe('prettyLine', () => {
  const time = new Date(2026, 10, 29, 7, 5, 9, 42).getTime();

  it('shows time, level, name, text and fields', () => {
    const line = JSON.stringify({
      level: 40,
      time,
      pid: 1,
      hostname: 'h',
      name: 'gateway',
      servable: 'kit',
      n: 3,
      why: 'two words',
      msg: 'full',
    });
    expect(prettyLine(`${line}\n`)).toBe('07:05:09.042 WARN  gateway: full servable=kit n=3 why="two words"\n');
  });

  it('shows the stack of an error below', () => {
    const line = JSON.stringify({
      level: 50,
      time,
      name: 'server',
      msg: 'it failed',
      err: { type: 'Error', message: 'x', stack: 'Error: x\n  at y' },
    });
    expect(prettyLine(line)).toBe('07:05:09.042 ERROR server: it failed\n    Error: x\n      at y\n');
  });

  it('keeps control characters of fields out of the terminal', () => {
    const line = JSON.stringify({ level: 30, time, name: 'server', msg: 'm', name2: 'a\u001b[2J' });
    expect(prettyLine(line)).not.toContain('\u001b');
  });

  it('gives back what is no JSON', () => {
    expect(prettyLine('plain\n')).toBe('plain\n');
  });
});
