import { ConfigError, namedAsGiven, readTokenFile } from '@mserve/config';
import { CliError } from '../cli-error.js';
import { jsonObject } from '../json-object.js';

/** How the commands `mserve models` reach a server. */
export interface AdminFlags {
  /** `HOST:PORT`, or `https://HOST:PORT`. */
  readonly admin: string;
  readonly adminTokenFile?: string | undefined;
  readonly timeoutMs: number;
}

/** What a command got: whether all went well, and the answer's body. */
export interface AdminAnswer {
  readonly ok: boolean;
  readonly body: unknown;
}

/** The bearer token, of the file or the environment. Throws CliError when there is none. */
function tokenOf({ adminTokenFile }: AdminFlags, env: NodeJS.ProcessEnv): string {
  const file = adminTokenFile ?? env['MSERVE_ADMIN_TOKEN_FILE'];
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
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${admin.includes('://') ? admin : `http://${admin}`}${path}`, {
      method: verb,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await response.text();
  } catch (error) {
    if ((error as Error).name === 'TimeoutError')
      throw new CliError(`no answer from ${admin} within ${timeoutMs} ms (--timeout-ms); mserve models list says how far it is`);
    const { cause } = error as { cause?: { code?: string; message?: string } };
    throw new CliError(
      `no answer from ${admin} (${cause?.code ?? cause?.message ?? (error as Error).message}); does a server have its admin port there? Start it with: mserve serve DIR --admin ${admin}`,
    );
  }
  const answer = jsonObject(text);
  if (answer === undefined)
    throw new CliError(`${admin} answered ${response.status} with something that is no JSON object; is it an mserve admin port?`);
  if (typeof answer['error'] === 'string') throw new CliError(`the server answered ${response.status}: ${answer['error']}`);
  if (!lists.every((name) => Array.isArray(answer[name])))
    throw new CliError(
      `${admin} answered ${response.status} with something else than lists of ${lists.join(' and ')}; is it an mserve admin port?`,
    );
  return { ok: response.ok, body: answer };
}
