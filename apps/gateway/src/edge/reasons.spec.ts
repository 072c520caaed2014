import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { failureOf, reasons, reasonTable, refusal, type Facts, type Reason } from '@mserve/wire';
import { msProto } from '@mserve/wire/gen';
import { createProtocols } from '../protocols/index.js';
import { rawRequest } from '../protocols/testing/fake-catalog.js';
import { grpcStatusOf, httpStatusOf, msCodeOf } from './status.js';
import { msText, msWords, oipText, oipWords } from './words.js';

const docs = readFileSync(new URL('../../../../docs/protocols.md', import.meta.url), 'utf8');

/** The cells of the rows that begin with the name of a reason. */
function documentedRows(): string[][] {
  const section = docs.slice(docs.indexOf('## Reasons'), docs.indexOf('\n## ms-rest'));
  return [...section.matchAll(/^\| `([a-z-]+)` \|(.*)\|$/gm)].map(([, name, rest]) => [
    name as string,
    ...(rest as string).split('|').map((cell) => cell.trim()),
  ]);
}

function rowOf(reason: Reason): string[] {
  const { code, text } = reasonTable[reason];
  const error = { code, reason };
  const msCode = msCodeOf(error);
  return [
    reason,
    code,
    `${httpStatusOf(error)}`,
    `${grpcStatusOf(error)}`,
    msCode === undefined ? `gRPC status ${grpcStatusOf(error)}` : `${msCode}`,
    `\`${msWords[reason] ?? text}\``,
  ];
}

/** Every fact, told apart. */
const facts: Facts = {
  servable: 'S',
  version: '3',
  method: 'M',
  model: 'S.M',
  function: "Function 'f'",
  input: 'x',
  output: 'y',
  expected: 'EXPECTED',
  given: 'GIVEN',
  detail: 'DETAIL',
  stage: 2,
  limit: 7,
  attempts: 4,
};
const protocols = createProtocols({ maxMessageBytes: 1 << 20 });
const spec = Buffer.from(
  msProto.PredictRequest.encode({ servableSpec: { name: 'S', methodName: 'M', versionNumber: 3n }, instances: [] }).finish(),
);

describe('the table of reasons in docs/protocols.md', () => {
  it('has a row for each reason, and no other', () => {
    expect(documentedRows().map(([name]) => name)).toEqual([...reasons]);
  });

  it.each(reasons)('tells the statuses and the text of %s', (reason) => {
    expect(documentedRows().find(([name]) => name === reason)).toEqual(rowOf(reason));
  });
});

describe.each(reasons)('%s', (reason) => {
  const error = refusal(reason, facts);

  it('has texts without a place that is not filled', () => {
    for (const text of [error.message, msText(error), oipText(error)]) expect(text).not.toMatch(/[{}[\]]|undefined|^$/);
  });

  it.each([
    ['ms-rest', '/model/S:M', 'error_msg', msText],
    ['oip-rest', '/v2/models/S.M/infer', 'error', oipText],
  ] as const)('over %s', (route, path, member, textOf) => {
    const answer = protocols[route].refuse(rawRequest(route, path, Buffer.alloc(0)), error);
    if (answer.kind !== 'http') throw new TypeError(answer.kind);
    expect(answer.status).toBe(httpStatusOf(error));
    expect(JSON.parse(Buffer.concat(answer.body.map((part) => Buffer.from(part))).toString())).toEqual({ [member]: textOf(error) });
  });

  it('over oip-grpc', () => {
    const answer = protocols['oip-grpc'].refuse(rawRequest('oip-grpc', '', Buffer.alloc(0)), error);
    expect(answer).toMatchObject({ kind: 'grpc-error', status: grpcStatusOf(error), message: oipText(error) });
  });

  it('over ms-grpc', () => {
    const answer = protocols['ms-grpc'].refuse(rawRequest('ms-grpc', '', spec), error);
    const code = msCodeOf(error);
    if (code === undefined) {
      expect(answer).toMatchObject({ kind: 'grpc-error', status: grpcStatusOf(error), message: msText(error) });
      return;
    }
    if (answer.kind !== 'grpc') throw new TypeError(answer.kind);
    const [said] = msProto.PredictReply.decode(Buffer.concat(answer.message)).errorMsg;
    expect({ code: Number(said?.errorCode), text: Buffer.from(said?.errorMsg ?? []).toString() }).toEqual({ code, text: msText(error) });
  });
});

describe('texts', () => {
  it('are in the words of the original for its clients, in those of models for the Open Inference Protocol', () => {
    const late = failureOf('deadline-exceeded', { servable: 'S', method: 'M' });
    expect(msText(late)).toBe('Request servable(S) method(M) , deadline exceeded');
    expect(msText(failureOf('deadline-exceeded', { method: 'M', stage: 2 }))).toBe(
      "deadline exceeded, method 'M', stage index(begin with 1): 2",
    );
    expect(oipText(late)).toBe("deadline exceeded, model 'S.M'");
  });

  it('of a failure without a reason, or of a newer peer, are as they came', () => {
    expect([msText({ code: 'INTERNAL', message: 'as it came' }), oipText({ code: 'INTERNAL', message: 'as it came' })]).toEqual([
      'as it came',
      'as it came',
    ]);
  });

  it('have words for reasons only', () => {
    for (const name of [...Object.keys(msWords), ...Object.keys(oipWords)]) expect(reasons).toContain(name);
  });
});
