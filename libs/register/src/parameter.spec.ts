import { describe, expect, it } from '@jest/globals';
import { parametersOf } from './parameter.js';

type AnyFunction = (...args: never[]) => unknown;
/** Functions from source text, so that no transform of the test's own source changes what is read. */
const from = (source: string): AnyFunction => (0, eval)(`(${source})`) as AnyFunction;

describe('parametersOf', () => {
  const rows: readonly (readonly [source: string, parameters: string])[] = [
    ['function f() {}', ''],
    ['function f(a, b) {}', 'a b'],
    ['async function f(a) {}', 'a'],
    ['function* f(a) {}', 'a'],
    ['async function* f(a) {}', 'a'],
    ['function f (a, b, ) {}', 'a b'],
    ['function f(a /* , x */, // y,\n b) {}', 'a b'],
    ['x => x', 'x'],
    ['async x => x', 'x'],
    ['async (x, y) => x', 'x y'],
    ['() => (1, 2)', ''],
    ['(größe, $a, _b, ℮) => 1', 'größe $a _b ℮'],
    ['{ m(a, b) {} }.m', 'a b'],
    ['{ async *[`x${"("}`](a) {} }["x("]', 'a'],
    ['{ "a (b": function (c) {} }["a (b"]', 'c'],
    ['function f(a = 1, b) {}', 'default:a b'],
    ['(a = ")", b = `${")"}`, c = /[)/,]\\//) => 1', 'default:a default:b default:c'],
    ['(a = (x, y) => [x, y], b = { c: 1, d: [2, 3] }) => 1', 'default:a default:b'],
    ['(a = 4 / 2, b = 1 / 3) => 1', 'default:a default:b'],
    ['(...rest) => 1', 'rest:rest'],
    ['(a, ...[b]) => 1', 'a rest:'],
    ['(new (class { #m(a) { return this.#m; } get() { return this.#m; } })()).get()', 'a'],
    ['{ m(a) { return super.m(a); } }.m', 'a'],
    ['function f(a) { with (a) { return 1; } }', 'a'],
    ['(a, b = 1 / 2 / (/[/]/.exec(a) ?? 3)) => 1', 'a default:b'],
    ['({ a, b = 1 }, [c, d]) => 1', 'destructured: destructured:'],
    ['({ a } = {}, [b] = [1], { c = "}" }) => 1', 'default: default: destructured:'],
  ];
  it.each(rows)('of %s', (source, parameters) => {
    expect(
      parametersOf(from(source))
        ?.map(({ kind, name }) => (kind === 'plain' ? name : `${kind}:${name}`))
        .join(' '),
    ).toBe(parameters);
  });

  it.each([['Math.max'], ['(function f(a) {}).bind(null)'], ['class A { constructor(a) {} }']])('of %s cannot be read', (source) => {
    expect(parametersOf(from(source))).toBeUndefined();
  });
});
