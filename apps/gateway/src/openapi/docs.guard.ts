import { HttpException, Inject, Injectable, NotFoundException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ApiDocs } from './api-docs.js';

/**
 * Lets nobody to the API documentation while it is switched off: 404, as if it was not there. While it is on, only Host headers are answered that the operator
 * allowed: 403.
 */
@Injectable()
export class DocsGuard implements CanActivate {
  constructor(@Inject(ApiDocs) private readonly docs: ApiDocs) {}

  canActivate(context: ExecutionContext): boolean {
    if (!this.docs.isOn) throw new NotFoundException('the API documentation is switched off here (--docs)');
    const denial = this.docs.denial(context.switchToHttp().getRequest<FastifyRequest>().raw.headers.host);
    if (denial !== undefined) throw new HttpException(denial.error, denial.status);
    return true;
  }
}
