import { beforeEach, describe, expect, it } from '@jest/globals';
import { ServingError } from '@mserve/wire';
import { msText, oipText } from '../edge/words.js';
import { method, servable } from '../testing/fake-scheduler.js';
import { MethodCatalog } from './method-catalog.js';

describe('MethodCatalog', () => {
  let catalog: MethodCatalog;
  beforeEach(() => {
    catalog = new MethodCatalog();
    catalog.update([
      servable('kit', [method('echo'), method('predict')], 2),
      servable('kit', [method('echo')], 10),
      { ...servable('kit', [method('echo')], 11), readyReplicas: 0 },
      { ...servable('down', [method('echo')]), readyReplicas: 0 },
      servable('one', [method('only')]),
      servable('with.dot', [method('only')]),
      servable('dots', [method('in.its.method'), method('plain')]),
      servable('a', [method('x.y')]),
      servable('a.b', [method('c')]),
      servable('a.b.c.d', [method('only')]),
      servable('größe', [method('maß')], 1_654_584_802),
      servable('two', [method('a'), method('b')]),
      servable(
        'many',
        Array.from({ length: 12 }, (_, i) => method(`m${i}`)),
      ),
    ]);
  });
  /** The code and the text of what is thrown, in the words of a protocol. */
  const refusedBy = (act: () => unknown, textOf: (error: ServingError) => string): string => {
    try {
      return `not refused: ${JSON.stringify(act())}`;
    } catch (thrown) {
      if (!(thrown instanceof ServingError)) throw thrown;
      return `${thrown.code} ${textOf(thrown)}`;
    }
  };

  it('takes the highest ready version for 0, exactly the one asked for otherwise', () => {
    expect(catalog.resolve('kit', 0, 'echo')).toMatchObject({ servable: 'kit', version: 10, method: { name: 'echo' } });
    expect(catalog.resolve('kit', 2, 'predict')).toMatchObject({ version: 2, method: { name: 'predict' } });
  });

  it.each([
    ['nope', 0, 'm', 'NOT_FOUND', 'Request servable(nope) method(m) , servable is not available'],
    ['nope', 3, 'm', 'NOT_FOUND', 'Request servable(nope) method(m)  version(3) , servable is not available'],
    ['kit', 3, 'echo', 'NOT_FOUND', 'Request servable(kit) method(echo)  version(3) , servable is not available'],
    ['kit', 11, 'echo', 'UNAVAILABLE', 'Request servable(kit) method(echo)  version(11) , servable is not available'],
    ['down', 0, 'echo', 'UNAVAILABLE', 'Request servable(down) method(echo) , servable is not available'],
    ['kit', 0, 'nope', 'NOT_FOUND', 'Request servable(kit) method(nope) , method is not available'],
    ['__proto__', 0, 'constructor', 'NOT_FOUND', 'Request servable(__proto__) method(constructor) , servable is not available'],
  ] as const)('refuses %s version %i method %s', (name, version, methodName, code, message) => {
    expect(refusedBy(() => catalog.resolve(name, version, methodName), msText)).toBe(`${code} ${message}`);
  });

  it('finds a name whose letters come apart from their accents', () => {
    expect(catalog.resolve('größe'.normalize('NFD'), 1_654_584_802, 'maß')).toMatchObject({ servable: 'größe', version: 1_654_584_802 });
    expect(catalog.resolveModel('größe.maß'.normalize('NFD'), '1654584802')).toMatchObject({ servable: 'größe' });
  });

  it('resolves models of the Open Inference Protocol', () => {
    expect(catalog.findModel('kit.echo', '')).toMatchObject({ version: 10, method: { name: 'echo' }, versions: [2, 10] });
    expect(catalog.findModel('kit.predict', '2')).toMatchObject({ version: 2, versions: [2] });
    expect(catalog.resolveModel('kit', '2')).toMatchObject({ method: { name: 'predict' } });
    expect(catalog.resolveModel('one', '')).toMatchObject({ method: { name: 'only' } });
    expect(catalog.resolveModel('with.dot', '')).toMatchObject({ servable: 'with.dot' });
    expect(catalog.resolveModel('with.dot.only', '1')).toMatchObject({ servable: 'with.dot' });
    expect(catalog.resolveModel('dots.in.its.method', '')).toMatchObject({ servable: 'dots', method: { name: 'in.its.method' } });
    expect(catalog.resolveModel('a.b.c', '')).toMatchObject({ servable: 'a.b', method: { name: 'c' } });
    expect(catalog.resolveModel('a.b.c.d.only', '')).toMatchObject({ servable: 'a.b.c.d', method: { name: 'only' } });
    expect(catalog.resolveModel('a.x.y', '')).toMatchObject({ servable: 'a', method: { name: 'x.y' } });
    expect(catalog.resolveModel('dots.plain', '')).toMatchObject({ servable: 'dots', method: { name: 'plain' } });
  });

  it.each([
    ['nope', '', 'NOT_FOUND', "model 'nope' is not available"],
    ['kit.echo', '3', 'NOT_FOUND', "model 'kit.echo' version 3 is not available"],
    ['kit.echo', '11', 'UNAVAILABLE', "model 'kit.echo' version 11 is not available"],
    ['kit.echo', '01', 'NOT_FOUND', "model 'kit.echo' version '01' is not a version, it should be a positive integer"],
    ['kit.nope', '', 'NOT_FOUND', "model 'kit.nope': servable 'kit' has no method 'nope'"],
    [
      'many',
      '',
      'NOT_FOUND',
      `model 'many' has several methods, ask for one of ${Array.from({ length: 10 }, (_, i) => `many.m${i}`).join(', ')} and 2 more`,
    ],
    ['x'.repeat(3000), '', 'NOT_FOUND', `model '${'x'.repeat(200)}...' is not available`],
    [`kit.${'x'.repeat(3000)}`, '', 'NOT_FOUND', `model 'kit.${'x'.repeat(196)}...': servable 'kit' has no method '${'x'.repeat(200)}...'`],
    [
      'x'.repeat(3000),
      'y'.repeat(3000),
      'NOT_FOUND',
      `model '${'x'.repeat(200)}...' version '${'y'.repeat(40)}' is not a version, it should be a positive integer`,
    ],
    ['dots.in.no.method', '', 'NOT_FOUND', "model 'dots.in.no.method': servable 'dots' has no method 'in.no.method'"],
    ['no.such.model', '', 'NOT_FOUND', "model 'no.such.model' is not available"],
    ['two', '', 'NOT_FOUND', "model 'two' has several methods, ask for one of two.a, two.b"],
  ] as const)('refuses model %s version %j', (model, version, code, message) => {
    expect(refusedBy(() => catalog.resolveModel(model, version), oipText)).toBe(`${code} ${message}`);
  });

  it.each([
    ['digits', 0, 'UNAVAILABLE', 'Request servable(digits) method(m) , servable is loading'],
    ['digits', 2, 'UNAVAILABLE', 'Request servable(digits) method(m)  version(2) , servable is loading'],
    ['digits', 3, 'NOT_FOUND', 'Request servable(digits) method(m)  version(3) , servable is not available'],
    ['latest', 7, 'UNAVAILABLE', 'Request servable(latest) method(m)  version(7) , servable is loading'],
    ['nope', 0, 'NOT_FOUND', 'Request servable(nope) method(m) , servable is not available'],
  ] as const)('says that a servable is loading: %s version %i', (name, version, code, message) => {
    catalog.update(
      [servable('one', [method('m')])],
      [
        { servable: 'digits', version: 2 },
        { servable: 'latest', version: 0 },
        { servable: 'one', version: 2 },
      ],
    );
    expect(refusedBy(() => catalog.resolve(name, version, 'm'), msText)).toBe(`${code} ${message}`);
    expect(catalog.resolve('one', 0, 'm')).toMatchObject({ version: 1 });
  });

  it('says that a model is loading, till it is there', () => {
    const dotted = method('in.its.method');
    catalog.update([], [{ servable: 'digits', version: 0 }]);
    for (const model of ['digits', 'digits.in.its.method']) {
      expect(refusedBy(() => catalog.resolveModel(model, ''), oipText)).toBe(`UNAVAILABLE model '${model}' is loading`);
    }
    expect(refusedBy(() => catalog.findModel('digits.m', '4'), oipText)).toBe("UNAVAILABLE model 'digits.m' version 4 is loading");
    catalog.update([servable('digits', [dotted])]);
    expect(catalog.resolveModel('digits.in.its.method', '')).toMatchObject({ method: dotted });
  });

  it('refuses nothing for good while somebody holds it', () => {
    const release = catalog.hold();
    const refused = (): unknown => catalog.resolve('nope', 0, 'm');
    expect(refusedBy(refused, msText)).toBe('UNAVAILABLE Request servable(nope) method(m) , servable is not available');
    release();
    expect(refused).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });

  it('knows nothing, and so refuses nothing for good, before its first update', () => {
    expect(() => new MethodCatalog().resolve('kit', 0, 'echo')).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
  });
});
