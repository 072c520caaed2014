import { readFileSync } from 'node:fs';
import { request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { ConfigError, namedAsGiven, readTokenFile } from '@mserve/config';
import { CliError } from '../cli-error.js';
import { fileProblem } from '../file-problem.js';
import { jsonObject } from '../json-object.js';

/** How the commands `mserve models` reach a server. */
export interface AdminFlags {
  /** `HOST:PORT`, or `https://HOST:PORT`. */
  readonly admin: string;
  readonly adminTokenFile?: string | undefined;
  /** PEM files, for https: the authority of its certificate, and the client's own certificate and key. */
  readonly adminCa?: string | undefined;
  readonly adminCertificate?: string | undefined;
  readonly adminPrivateKey?: string | undefined;
  readonly timeoutMs: number;
}

/** What a command got: whether all went well, and the answer's body. */
export interface AdminAnswer {
  readonly ok: boolean;
  readonly body: unknown;
}

/** The bearer token, of the file or the environment. Throws CliError when there is none. */
function tokenOf({ adminTokenFile }: AdminFlags, env: NodeJS.ProcessEnv): string {
  const file = adminTokenFile ?? (env['MSERVE_ADMIN_TOKEN_FILE'] || undefined);
  const token = env['MSERVE_ADMIN_TOKEN'];
  try {
    if (file !== undefined) return readTokenFile('adminTokenFile', file);
  } catch (thrown) {
    const given = adminTokenFile === undefined && { adminTokenFile: { source: 'environment', name: 'MSERVE_ADMIN_TOKEN_FILE' } as const };
    const error = given === false ? thrown : namedAsGiven(thrown, given);
    throw error instanceof ConfigError ? new CliError(error.message, 2) : error;
  }
  if (token !== undefined && token !== '') return token;
  throw new CliError('the admin API needs its bearer token: give --admin-token-file FILE, or the variable MSERVE_ADMIN_TOKEN', 2);
}

/**
 * Asks the admin API of a running server. Resolves with the answer of a change, also of one that a worker could not do. Throws CliError, in one sentence,
 * when nobody answers in time, the request is refused, or the answer lacks one of `lists`, members that are arrays.
 */
export async function askAdmin(
  flags: AdminFlags,
  env: NodeJS.ProcessEnv,
  verb: 'GET' | 'POST',
  path: string,
  lists: readonly string[],
  body?: object,
): Promise<AdminAnswer> {
  const token = tokenOf(flags, env);
  const { admin, timeoutMs } = flags;
  const url = new URL(`${admin.includes('://') ? admin : `http://${admin}`}${path}`);
  const headers = { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) };
  const call: Call = { verb, url, headers, body: body && JSON.stringify(body), timeoutMs };
  const { status, text } = await send(call, tlsOf(flags, url)).catch((thrown: unknown) => {
    throw new CliError(failureText(thrown, flags, url));
  });
  const answer = jsonObject(text);
  if (answer === undefined)
    throw new CliError(`${admin} answered ${status} with something that is no JSON object; is it an mserve admin port?`);
  if (typeof answer['error'] === 'string') throw new CliError(`the server answered ${status}: ${answer['error']}`);
  if (!lists.every((name) => Array.isArray(answer[name])))
    throw new CliError(`${admin} answered ${status} with something else than lists of ${lists.join(' and ')}; is it an mserve admin port?`);
  return { ok: status < 300, body: answer };
}

interface Call {
  readonly verb: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly timeoutMs: number;
}

interface Tls {
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

/** Rejects when there is no whole answer. */
function send({ verb, url, headers, body, timeoutMs }: Call, tls: Tls): Promise<{ status: number; text: string }> {
  const request = url.protocol === 'https:' ? requestTls : requestPlain;
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: verb, headers, agent: false, signal: AbortSignal.timeout(timeoutMs), ...tls }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece)).on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() }));
    });
    sent.on('error', reject).end(body);
  });
}

const tlsFlags = { adminCa: '--admin-ca', adminCertificate: '--admin-certificate', adminPrivateKey: '--admin-private-key' } as const;

/** Throws CliError for files that cannot be read, and for what is of no use. */
function tlsOf(flags: AdminFlags, url: URL): Tls {
  const read = (key: keyof typeof tlsFlags): Buffer | undefined => {
    const file = flags[key];
    if (file === undefined) return undefined;
    if (url.protocol !== 'https:') throw new CliError(`${tlsFlags[key]} is for a port that speaks TLS: --admin https://HOST:PORT`, 2);
    try {
      return readFileSync(file);
    } catch (thrown) {
      throw new CliError(`${tlsFlags[key]}: cannot read ${file}: ${fileProblem(thrown)}`, 2);
    }
  };
  if ((flags.adminCertificate === undefined) !== (flags.adminPrivateKey === undefined))
    throw new CliError('--admin-certificate and --admin-private-key go together', 2);
  return { ca: read('adminCa'), cert: read('adminCertificate'), key: read('adminPrivateKey') };
}

/** OpenSSL's verdicts over a certificate that have to do with who signed it. */
const isUntrusted = /SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY)|CERT_(?:UNTRUSTED|SIGNATURE)/;

/** Why nobody answered, in one sentence. */
function failureText(thrown: unknown, { admin, timeoutMs }: AdminFlags, { host, protocol }: URL): string {
  const { name, code, message } = thrown as NodeJS.ErrnoException;
  if (name === 'AbortError' || name === 'TimeoutError')
    return `no answer from ${admin} within ${timeoutMs} ms (--timeout-ms); mserve models list says how far it is`;
  const failed = `no answer from ${admin} (${code ?? message})`;
  if (code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER') return `${failed}; if it does not speak TLS, give --admin ${host}`;
  if (code?.startsWith('ERR_OSSL_')) return `--admin-certificate and --admin-private-key cannot be used together (${code})`;
  if (code !== undefined && isUntrusted.test(code))
    return `${failed}: its certificate is not trusted; --admin-ca FILE names the authority of it`;
  if (code?.includes('ALERT_CERTIFICATE_REQUIRED') || code?.includes('ALERT_HANDSHAKE_FAILURE'))
    return `${failed}: it asks for a certificate; give --admin-certificate FILE and --admin-private-key FILE`;
  if (code === 'ECONNRESET' && protocol === 'http:') return `${failed}; if it speaks TLS, give --admin https://${host}`;
  return `${failed}; does a server have its admin port there? Start it with: mserve serve DIR --admin ${host}`;
}
