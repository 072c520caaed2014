import { ServingError } from '@mserve/wire';
import { plainToInstance, type ClassConstructor } from 'class-transformer';
import { validateSync, type ValidationError, type ValidatorOptions } from 'class-validator';
import { parseJson } from './json.js';

/** Unknown fields are left out, so that a newer version may say more. */
export const controlValidation: ValidatorOptions = { whitelist: true, forbidUnknownValues: true, stopAtFirstError: true };

/** The control message in these bytes (JSON). INVALID_ARGUMENT that names the first wrong field, for example `servables.0.signature.version`. */
export function parseControl<T extends object>(type: ClassConstructor<T>, bytes: Uint8Array): T {
  return validateControl(type, parseJson(bytes));
}

/** Like {@link parseControl}, for a value that is parsed already. */
export function validateControl<T extends object>(type: ClassConstructor<T>, plain: unknown): T {
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain))
    throw new ServingError('INVALID_ARGUMENT', 'a control message is not an object');
  const message = plainToInstance(type, plain);
  const errors = validateSync(message, controlValidation);
  if (errors.length > 0) throw new ServingError('INVALID_ARGUMENT', describeInvalid(errors));
  return message;
}

/** The first wrong field and what was allowed there. */
export function describeInvalid(errors: readonly ValidationError[]): string {
  const path: string[] = [];
  let error = errors[0];
  while (error !== undefined) {
    path.push(error.property);
    const constraint = Object.values(error.constraints ?? {})[0];
    if (constraint !== undefined) return `${path.join('.')}: ${constraint}`;
    error = error.children?.[0];
  }
  return `${path.join('.')} is wrong`;
}
