import { describe, expect, it } from '@jest/globals';
import { parseVersionPolicy, wantedVersions } from './version-policy.js';

describe('a version policy', () => {
  it.each([
    ['latest', [4]],
    ['latest:2', [3, 4]],
    ['latest:9', [1, 3, 4]],
    ['all', [1, 3, 4]],
    ['specific:3,1,7', [1, 3]],
    ['specific:2', []],
  ])('%s chooses of what is there', (text, wanted) => {
    const policy = parseVersionPolicy(text);
    expect(policy && wantedVersions(policy, [4, 1, 3])).toEqual(wanted);
  });

  it.each([
    '',
    'newest',
    'latest:',
    'latest:0',
    'latest:-1',
    'all:1',
    'specific',
    'specific:',
    'specific:0',
    'specific:1,,2',
    'specific:9007199254740992',
  ])('is not %j', (text) => {
    expect(parseVersionPolicy(text)).toBeUndefined();
  });
});
