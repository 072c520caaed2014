import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { ServingError } from '@mserve/wire';
import type { IngressAnswer } from '../../edge/ingress.js';
import { createProtocols } from '../index.js';
import { FakeCatalog, rawRequest } from '../testing/fake-catalog.js';
import { kitMethods, runKit, type KitMethod } from '../testing/kit-methods.js';

interface RestCase {
  readonly id: string;
  readonly path: string;
  readonly method?: string;
  /** The body as the recording client sent it. */
  readonly raw?: string;
  readonly fill?: number;
  readonly text_free?: boolean;
  readonly expect: { readonly json: unknown };
  readonly also_accept?: readonly { readonly json: unknown }[];
}

/** Recorded from the original server: the conformance kit's REST cases. */
const cases = JSON.parse(readFileSync(new URL('../testing/rest-cases.json', import.meta.url), 'utf8')) as RestCase[];

/** Model input checks are the worker's, and version 2 of the model adds 100: those cases are judged end to end only. */
const elsewhere = new Set(['rest/version-2', 'rest/version-latest', 'rest/model-wrong-dtype', 'rest/model-wrong-size']);

const protocol = createProtocols({ legacyStatus200: true, maxMessageBytes: 4 * 2 ** 20 })['ms-rest'];
const catalog = new FakeCatalog(
  'kit',
  [...kitMethods.values()].map(({ signature }) => signature),
);

function answerOf(restCase: RestCase): IngressAnswer {
  const body = restCase.fill !== undefined ? Buffer.alloc(restCase.fill, ' ') : (restCase.raw ?? '');
  const request = rawRequest('ms-rest', restCase.path, body, { verb: restCase.method ?? 'POST' });
  try {
    const infer = protocol.decode(request, catalog);
    return protocol.encode(request, infer, runKit(kitMethods.get(infer.target.method.name) as KitMethod, infer.instances));
  } catch (thrown) {
    if (!(thrown instanceof ServingError)) throw thrown;
    return protocol.refuse(request, thrown);
  }
}

/** Error texts out of an answer, for cases whose text is free. */
function textFree(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, member: unknown) => (key === 'error_msg' ? '*' : member)));
}

describe('the recorded REST cases of the original', () => {
  it.each(cases.filter(({ id }) => !elsewhere.has(id)).map((restCase) => [restCase.id, restCase] as const))('%s', (_, restCase) => {
    const answer = answerOf(restCase);
    if (answer.kind !== 'http') throw new Error('not an HTTP answer');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    const shown: unknown = JSON.parse(answer.body.map(String).join(''));
    const free = restCase.text_free === true;
    const wanted = [restCase.expect, ...(restCase.also_accept ?? [])].map(({ json }) => (free ? textFree(json) : json));
    expect(wanted).toContainEqual(free ? textFree(shown) : shown);
  });
});
