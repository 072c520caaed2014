import { describe, expect, it } from '@jest/globals';
import { servingErrorCodes } from './error-code.js';
import { failureOf } from './failure.js';
import { knownReason, reasons, reasonTable, textOfFacts } from './reason.js';
import { refusal, ServingError } from './serving-error.js';

describe('reasons', () => {
  it('give an error its code and its text', () => {
    const error = refusal('servable-not-found', { servable: 'add', version: '3' }, new Error('why'));
    expect(error).toMatchObject({ code: 'NOT_FOUND', message: "servable 'add' version 3 is not available", reason: 'servable-not-found' });
    expect((error.cause as Error).message).toBe('why');
    expect(failureOf('too-many-requests', { limit: 7 })).toEqual({
      code: 'RESOURCE_EXHAUSTED',
      message: 'too many requests are waiting, at most 7 may',
      reason: 'too-many-requests',
      facts: { limit: 7 },
    });
  });

  it('come through ServingError.of as they are', () => {
    const failure = failureOf('deadline-exceeded', { method: 'm', stage: 2 });
    const error = ServingError.of(failure);
    expect({ ...error, message: error.message }).toMatchObject(failure);
    expect(ServingError.of({ code: 'ABORTED', message: 'text' }).reason).toBeUndefined();
  });

  it('are all of a code that there is, and every code has one', () => {
    expect(new Set(reasons.map((reason) => reasonTable[reason].code))).toEqual(new Set(servingErrorCodes));
  });

  it('are known by name and code together', () => {
    expect(knownReason('cancelled', 'CANCELLED')).toBe('cancelled');
    expect(knownReason('cancelled', 'INTERNAL')).toBeUndefined();
    expect(knownReason('hasOwnProperty', 'INTERNAL')).toBeUndefined();
  });
});

describe('textOfFacts', () => {
  it('leaves out brackets without their facts, and takes facts as they are', () => {
    expect(textOfFacts('{given} is[ not {expected}]', { given: '[1]{detail}' })).toBe('[1]{detail} is');
    expect(textOfFacts('{given} is[ not {expected}]', { given: '$&', expected: '$1' })).toBe('$& is not $1');
  });

  it('has nothing in the place of a fact that is not given outside of brackets', () => {
    expect(textOfFacts('{servable} and {method}[, {detail}]', { servable: 's', detail: '' })).toBe('s and , ');
  });
});
