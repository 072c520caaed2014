import { Controller, Get, Header, Headers, Inject, UseGuards } from '@nestjs/common';
import { ApiExcludeController, type OpenAPIObject } from '@nestjs/swagger';
import { ApiDocs } from './api-docs.js';
import { DocsGuard } from './docs.guard.js';

/** The OpenAPI document at /openapi.json, made anew for every request. */
@Controller('openapi.json')
@ApiExcludeController()
@UseGuards(DocsGuard)
export class OpenApiController {
  constructor(@Inject(ApiDocs) private readonly docs: ApiDocs) {}

  @Get()
  @Header('cache-control', 'no-store')
  document(@Headers('x-forwarded-prefix') prefix?: string): OpenAPIObject {
    return this.docs.document(prefix);
  }
}
