import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { hasOpenssl, TestAuthority, type IssuedCertificate } from '../../../../test/support/test-authority.js';
import { checkTls } from './checked-tls.js';

const suite = hasOpenssl ? describe : describe.skip;

suite(`what a TLS port is given${hasOpenssl ? '' : ' (skipped: there is no command openssl of version 3)'}`, () => {
  let authority: TestAuthority;
  let good: IssuedCertificate;
  let other: IssuedCertificate;
  beforeAll(() => {
    authority = new TestAuthority();
    good = authority.issue('good', 40);
    other = authority.issue('other');
  });
  afterAll(() => authority.remove());
  afterEach(() => void jest.restoreAllMocks());

  const file = (name: string, text: string): string => {
    writeFileSync(join(authority.folder, name), text);
    return join(authority.folder, name);
  };
  const filesOf = (wrong: object = {}): Parameters<typeof checkTls>[0] => {
    const { certificateFile, privateKeyFile } = good;
    return { certificateFile, privateKeyFile, ...wrong };
  };

  it('is taken with its chain and its authorities', () => {
    const chain = file('chain.pem', good.certificate + authority.text);
    const { texts, ends } = checkTls(filesOf({ certificateFile: chain, customCaFile: authority.file, verifyClient: true }));
    expect(texts).toEqual({
      certificate: good.certificate + authority.text,
      privateKey: good.privateKey,
      customCa: authority.text,
      verifyClient: true,
    });
    expect(ends.map(({ source, subject }) => [source, subject])).toEqual([
      [chain, 'CN=good'],
      [chain, 'CN=test authority'],
      [authority.file, 'CN=test authority'],
    ]);
  });

  it.each<[string, () => object, part: string, problem: string]>([
    ['a file that is not there', () => ({ certificateFile: '/nowhere' }), 'certificate', 'cannot read /nowhere: ENOENT'],
    ['an authority that is not there', () => ({ customCaFile: '/nowhere' }), 'customCa', 'cannot read /nowhere: ENOENT'],
    ['a text that is no PEM', () => ({ certificateFile: file('x', 'x') }), 'certificate', '/x holds no certificate in PEM form'],
    ['a key instead', () => ({ certificateFile: good.privateKeyFile }), 'certificate', '/good.key holds no certificate in PEM form'],
    ['a certificate instead', () => ({ privateKeyFile: good.certificateFile }), 'privateKey', '/good.pem holds no private key in PEM form'],
    [
      'a certificate half written',
      () => ({ certificateFile: file('half', good.certificate + authority.text.slice(0, 99)) }),
      'certificate',
      '/half is cut off within a certificate',
    ],
    [
      'a certificate of other bytes',
      () => ({ certificateFile: file('bytes', good.certificate.replace('\nMII', '\nAII')) }),
      'certificate',
      'certificate 1 in ',
    ],
    ['a key half written', () => ({ privateKeyFile: file('half.key', good.privateKey.slice(0, 99)) }), 'privateKey', '/half.key holds no'],
    [
      'the key of another',
      () => ({ privateKeyFile: other.privateKeyFile }),
      'privateKey',
      '/other.key does not belong to the certificate in ',
    ],
    [
      'one that has expired',
      () => {
        const { certificateFile, privateKeyFile } = authority.issue('old', -1);
        return { certificateFile, privateKeyFile };
      },
      'certificate',
      '/old.pem has expired: it ended at 2',
    ],
    [
      'an authority that has expired',
      () => ({ customCaFile: authority.issue('old-ca', -1).certificateFile }),
      'customCa',
      '/old-ca.pem has expired: it ended at 2',
    ],
    ['no authority of clients', () => ({ verifyClient: true }), 'customCa', 'verifyClient needs customCa'],
    [
      'a key with a passphrase',
      () => {
        const locked = join(authority.folder, 'locked.key');
        execFileSync('openssl', ['pkcs8', '-topk8', '-in', good.privateKeyFile, '-out', locked, '-passout', 'pass:abcd'], {
          stdio: 'pipe',
        });
        return { privateKeyFile: locked };
      },
      'privateKey',
      '/locked.key is encrypted with a passphrase: write it without one',
    ],
  ])('is refused: %s', (_name, wrong, part, problem) => {
    const tls = filesOf(wrong());
    expect(() => checkTls(tls)).toThrow(
      expect.objectContaining({
        part,
        code: 'INVALID_ARGUMENT',
        problem: expect.stringContaining(problem),
        message: expect.stringMatching(/^Serving Error: (load .* failed: |private_key is not consistent with certificate \/)/),
      }),
    );
  });

  it('is refused before it is valid', () => {
    const dayBefore = Date.now() - 86_400_000;
    jest.spyOn(Date, 'now').mockReturnValue(dayBefore);
    expect(() => checkTls(filesOf())).toThrow(/good\.pem is not valid yet: it begins at 2/);
  });
});
