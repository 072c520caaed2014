import { Inject, Injectable, NotFoundException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AdminRequests } from '../edge/admin-requests.js';

/** Lets in only what came by the admin port: elsewhere these routes are not there. */
@Injectable()
export class AdminGuard implements CanActivate {
  constructor(@Inject(AdminRequests) private readonly requests: AdminRequests) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (!this.requests.has(request.raw)) throw new NotFoundException(`Cannot ${request.method} ${request.url.slice(0, 200)}`);
    return true;
  }
}
