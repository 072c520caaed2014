import { Inject, Injectable, NotFoundException, type CanActivate } from '@nestjs/common';
import { ApiDocs } from './api-docs.js';

/** Lets nobody to the API documentation while it is switched off: 404, as if it was not there. */
@Injectable()
export class DocsGuard implements CanActivate {
  constructor(@Inject(ApiDocs) private readonly docs: ApiDocs) {}

  canActivate(): boolean {
    if (!this.docs.isOn) throw new NotFoundException('the API documentation is switched off here (--docs)');
    return true;
  }
}
