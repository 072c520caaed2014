import { beforeEach } from '@jest/globals';
import {
  addStage,
  declareModel,
  registerMethod,
  sealRegistry,
  startRegistry,
  type Placeholder,
  type Registry,
  type ServableDeclaration,
} from '../index.js';

/** A servable `S` that a spec declares things of, empty again before each test. */
export interface Author {
  readonly registry: Registry;
  /** What the author was warned of. */
  readonly warnings: readonly string[];
  /** Ends the declarations. */
  declaration(): ServableDeclaration;
}

export function newAuthor(): Author {
  let registry = startRegistry('S');
  let warnings: string[] = [];
  beforeEach(() => {
    registry = startRegistry('S');
    warnings = [];
    registry.warn = (text) => warnings.push(text);
  });
  return {
    get registry() {
      return registry;
    },
    get warnings() {
      return warnings;
    },
    declaration: () => sealRegistry(registry),
  };
}

/** Calls with values that the types refuse: what a JavaScript author may write. */
export function loose(fn: unknown): (...args: unknown[]) => never {
  return fn as (...args: unknown[]) => never;
}
export const declare = loose(declareModel);
export const register = loose(registerMethod);
export const stage = loose(addStage);

/** Two stage functions. */
export function f(a: unknown, b: unknown): unknown[] {
  return [a, b];
}
export function g(x: unknown): unknown {
  return x;
}

/** Registers a method of one input whose body is `body`. */
export function method(body: (x: Placeholder) => unknown, name = 'm'): void {
  register({ name, outputs: 'y' }, function (x: Placeholder) {
    return body(x);
  });
}

/** What an author writes, and the text with which it is refused. */
export type Row = readonly [what: string, act: () => unknown, text: string];
