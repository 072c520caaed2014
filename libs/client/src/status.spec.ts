import { describe, expect, it } from '@jest/globals';
import { grpcStatusOfCode, httpStatusOfCode, servingErrorCodes } from '@mserve/wire';
import { codeOfGrpcStatus, codeOfHttpStatus } from './status.js';

describe('codes of statuses', () => {
  it('are those that the gateway made the statuses from', () => {
    for (const code of servingErrorCodes) {
      expect(codeOfGrpcStatus(grpcStatusOfCode[code])).toBe(code);
      // REST has one status for both
      expect(codeOfHttpStatus(httpStatusOfCode[code])).toBe(code === 'ABORTED' ? 'INTERNAL' : code);
    }
  });

  it.each([
    [405, 'INVALID_ARGUMENT'],
    [408, 'DEADLINE_EXCEEDED'],
    [413, 'RESOURCE_EXHAUSTED'],
    [415, 'INVALID_ARGUMENT'],
    [431, 'INVALID_ARGUMENT'],
    [502, 'UNAVAILABLE'],
    [505, 'INTERNAL'],
  ])('HTTP status %i, which no code has, is %s', (status, code) => {
    expect(codeOfHttpStatus(status)).toBe(code);
  });
});
