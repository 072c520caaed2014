import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, mkdirSync, copyFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Without the command (OpenSSL 3) there are no certificates to test with: what needs them is skipped, under a name that says so. */
export const hasOpenssl = /^OpenSSL [3-9]/.test(spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? '');

/** A certificate and its key: where they are, and what is in them. */
export interface IssuedCertificate {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  readonly certificate: string;
  readonly privateKey: string;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}

/** A certificate authority of its own, in a folder of its own. Needs the command openssl, version 3. */
export class TestAuthority {
  readonly folder = mkdtempSync(join(tmpdir(), 'mserve-tls-'));
  readonly file = join(this.folder, 'ca.pem');
  readonly text: string;
  private readonly keyFile = join(this.folder, 'ca.key');
  private swaps = 0;

  constructor() {
    openssl('req', '-x509', ...newKey, '-keyout', this.keyFile, '-out', this.file, '-days', '3650', '-subj', '/CN=test authority');
    this.text = readFileSync(this.file, 'utf8');
  }

  /** For 127.0.0.1 and localhost, or other `hosts` (as OpenSSL spells them), from now on; with negative `days` it has expired. */
  issue(name: string, days = 365, hosts = 'IP:127.0.0.1,DNS:localhost'): IssuedCertificate {
    const [certificateFile, privateKeyFile, request] = ['pem', 'key', 'csr'].map((ending) => join(this.folder, `${name}.${ending}`)) as [
      string,
      string,
      string,
    ];
    const names = `subjectAltName=${hosts}`;
    openssl('req', ...newKey, '-keyout', privateKeyFile, '-out', request, '-subj', `/CN=${name}`, '-addext', names);
    const signed = ['-CA', this.file, '-CAkey', this.keyFile, '-CAcreateserial', '-copy_extensions', 'copy'];
    openssl('x509', '-req', '-in', request, ...signed, '-days', String(days), '-out', certificateFile);
    return {
      certificateFile,
      privateKeyFile,
      certificate: readFileSync(certificateFile, 'utf8'),
      privateKey: readFileSync(privateKeyFile, 'utf8'),
    };
  }

  /** Puts a pair at `mount/tls.crt` and `mount/tls.key` as a ConfigMap or Secret is: links to `..data`, a link that is replaced as a whole. */
  mount({ certificateFile, privateKeyFile }: Pick<IssuedCertificate, 'certificateFile' | 'privateKeyFile'>): {
    readonly certificateFile: string;
    readonly privateKeyFile: string;
  } {
    const mount = join(this.folder, 'mount');
    const version = `..v${++this.swaps}`;
    mkdirSync(join(mount, version), { recursive: true });
    copyFileSync(certificateFile, join(mount, version, 'tls.crt'));
    copyFileSync(privateKeyFile, join(mount, version, 'tls.key'));
    symlinkSync(version, join(mount, '..next'));
    renameSync(join(mount, '..next'), join(mount, '..data'));
    if (this.swaps === 1) for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(mount, name));
    return { certificateFile: join(mount, 'tls.crt'), privateKeyFile: join(mount, 'tls.key') };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
