import { Catch, UseFilters, UsePipes, ValidationPipe, applyDecorators, type RpcExceptionFilter } from '@nestjs/common';
import { ServingError } from '@mserve/wire';
import * as transformerPackage from 'class-transformer';
import * as validatorPackage from 'class-validator';
import type { ValidationError } from 'class-validator';
import { throwError, type Observable } from 'rxjs';
import { controlValidation, describeInvalid } from './parse-control.js';

/** Lets a handler's ServingError through to the asker; Nest's own filter would make "Internal server error" of it. */
@Catch()
export class ServingErrorFilter implements RpcExceptionFilter<unknown> {
  catch(thrown: unknown): Observable<never> {
    return throwError(() => thrown);
  }
}

/**
 * For controllers of control messages: validates bodies against the class of the handler's parameter (INVALID_ARGUMENT naming the
 * wrong field), and sends ServingErrors back as they are.
 */
export function ControlMessages(): ClassDecorator & MethodDecorator {
  const exceptionFactory = (errors: ValidationError[]): ServingError => new ServingError('INVALID_ARGUMENT', describeInvalid(errors));
  // These very copies: the pipe would look for its own, which know no decorator of ours when we are bundled
  const pipe = new ValidationPipe({ ...controlValidation, transform: true, exceptionFactory, validatorPackage, transformerPackage });
  return applyDecorators(UsePipes(pipe), UseFilters(new ServingErrorFilter()));
}
