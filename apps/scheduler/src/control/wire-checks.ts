import { ServingError } from '@mserve/wire';
import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';

/**
 * A message of another room as an instance of its class, checked. Throws ServingError INVALID_ARGUMENT that names the first wrong field.
 * Fields the class does not have are ignored: a newer room may send more.
 */
export function checked<T extends object>(Class: new () => T, plain: unknown): T {
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) throw new ServingError('INVALID_ARGUMENT', `${Class.name}: a JSON object is expected`);
  const message = plainToInstance(Class, plain);
  const [problem] = validateSync(message, { whitelist: true });
  if (problem !== undefined) throw new ServingError('INVALID_ARGUMENT', `${Class.name}: ${firstText(problem)}`);
  return message;
}

/** The same from UTF-8 JSON. */
export function checkedJson<T extends object>(Class: new () => T, body: Uint8Array): T {
  let plain: unknown;
  try {
    plain = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch (error) {
    throw new ServingError('INVALID_ARGUMENT', `${Class.name}: not JSON`, { cause: error });
  }
  return checked(Class, plain);
}

function firstText(problem: ValidationError): string {
  const own = Object.values(problem.constraints ?? {})[0];
  const child = problem.children?.[0];
  return own ?? (child === undefined ? `${problem.property} is wrong` : `${problem.property}: ${firstText(child)}`);
}
