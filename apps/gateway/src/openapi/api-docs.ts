import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { MethodCatalog } from '../catalog/method-catalog.js';
import { version } from '../version.js';
import { inferPaths, sharedResponses, sharedSchemas } from './infer-paths.js';

/** The document without servables: Nest's own routes, and what all infer operations share. */
function baseDocument(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('mserve')
    .setDescription(
      'An inference server for MindIR, ONNX and OM models. The infer operations below are those of the servables that are ready now.',
    )
    .setVersion(version)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .build();
  return SwaggerModule.createDocument(app, config);
}

/** The document as the catalog is now. */
export function openApiDocument(base: OpenAPIObject, catalog: MethodCatalog): OpenAPIObject {
  // Our schemas are JSON Schema 2020-12 as OpenAPI 3.1 has it; @nestjs/swagger's types are those of 3.0
  return {
    ...base,
    paths: { ...inferPaths(catalog.ready), ...base.paths },
    components: {
      ...base.components,
      schemas: { ...base.components?.schemas, ...sharedSchemas },
      responses: { ...base.components?.responses, ...sharedResponses },
    },
  } as OpenAPIObject;
}

/**
 * The document at /openapi.json, made anew for every request. To be called before the application is initialised.
 * `isEnabled` is asked for every request: without it the document and Swagger UI are 404.
 */
export function serveApiDocs(app: NestFastifyApplication, catalog: MethodCatalog, isEnabled: () => boolean): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', async (request, reply) => {
    const { url } = request;
    if ((url.startsWith('/docs') || url.startsWith('/openapi.json')) && !isEnabled())
      return reply.status(404).send({ error: 'the API documentation is switched off here (--docs)' });
    return undefined;
  });
  let base: OpenAPIObject | undefined;
  SwaggerModule.setup('docs', app, () => (base ??= baseDocument(app)), {
    ui: false,
    raw: ['json'],
    jsonDocumentUrl: 'openapi.json',
    patchDocumentOnRequest: (_request, _response, document) => openApiDocument(document, catalog),
  });
}
