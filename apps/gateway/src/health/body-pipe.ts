import { describeInvalid } from '@mserve/bus/nest';
import { ServingError } from '@mserve/wire';
import { ValidationPipe } from '@nestjs/common';

/**
 * Checks bodies against the class of their parameter; INVALID_ARGUMENT names the first wrong member. `strict`: members that are not known are wrong, else
 * they are left out.
 */
export function bodyPipe(unknown: 'strict' | 'lenient'): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: unknown === 'strict',
    stopAtFirstError: true,
    exceptionFactory: (errors) => new ServingError('INVALID_ARGUMENT', describeInvalid(errors)),
  });
}
