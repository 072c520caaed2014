import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Controller, Get, Header, NotFoundException, Param, Res, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { DocsGuard } from './docs.guard.js';

/** The files of Swagger UI that its page asks for; nothing else is served. */
const assets = new Map([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
]);

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>mserve</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/initializer.js"></script>
</body>
</html>
`;

const initializer =
  "window.ui = SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });\n";

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
  page(): string {
    return page;
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
