import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Controller, Get, Header, NotFoundException, Param, Req, Res, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DocsGuard } from './docs.guard.js';

/** The files of Swagger UI that its page asks for; nothing else is served. */
const assets = new Map([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
]);

/** `folder`: that of the page's files, as seen from the page. Nothing here begins with a slash: a proxy in front may serve it under a prefix. */
const pageOf = (folder: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>mserve</title>
<link rel="stylesheet" href="${folder}swagger-ui.css">
<link rel="icon" type="image/png" href="${folder}favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="${folder}swagger-ui-bundle.js"></script>
<script src="${folder}initializer.js"></script>
</body>
</html>
`;

/**
 * The document is beside the folder that this script is in. Where the operations begin is taken from there, too: a proxy that takes a prefix off need not say so.
 */
const initializer = `const base = new URL('..', document.currentScript.src);
const documentUrl = new URL('openapi.json', base).href;
window.ui = SwaggerUIBundle({
  url: documentUrl,
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  responseInterceptor: (response) => {
    if (response.url !== documentUrl || !response.ok) return response;
    const found = JSON.parse(response.text);
    found.servers = [{ url: base.href.slice(0, -1) }];
    response.text = JSON.stringify(found);
    return response;
  },
});
`;

/** Swagger UI is a dependency of @nestjs/swagger, so it is looked for from there. */
function assetDirectory(): string {
  const swagger = createRequire(import.meta.url).resolve('@nestjs/swagger');
  return dirname(createRequire(swagger).resolve('swagger-ui-dist/package.json'));
}

/** Swagger UI at /docs. A controller of our own, so that the guard holds for it: SwaggerModule registers its page beside Nest's router. */
@Controller('docs')
@ApiExcludeController()
@UseGuards(DocsGuard)
export class SwaggerUiController {
  private readonly directory = assetDirectory();

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  page(@Req() { url }: FastifyRequest): string {
    return pageOf(/^[^?]*\/(?:\?|$)/.test(url) ? '' : 'docs/');
  }

  @Get('initializer.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  initializer(): string {
    return initializer;
  }

  @Get(':file')
  asset(@Param('file') file: string, @Res() reply: FastifyReply): void {
    const contentType = assets.get(file);
    if (contentType === undefined) throw new NotFoundException();
    void reply.type(contentType).send(createReadStream(join(this.directory, file)));
  }
}
