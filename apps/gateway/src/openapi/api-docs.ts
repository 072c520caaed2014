import { Inject, Injectable, type INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { isLoopback, parseAddress } from '@mserve/config';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { Ingress } from '../edge/ingress.js';
import { version } from '../edge/version.js';
import { inferPaths, sharedResponses, sharedSchemas } from './infer-paths.js';

/** Injection token of the setting that switches the documentation on or off; undefined = on when the REST port listens on loopback. */
export const docsSwitchToken = Symbol('docs');

/** The API documentation: whether it is served, and the document. */
@Injectable()
export class ApiDocs {
  private readBase: (() => OpenAPIObject) | undefined;
  private base: OpenAPIObject | undefined;

  constructor(
    @Inject(MethodCatalog) private readonly catalog: MethodCatalog,
    @Inject(Ingress) private readonly ingress: Ingress,
    @Inject(docsSwitchToken) private readonly docs: boolean | undefined,
  ) {}

  /** The application whose routes the document has beside the infer operations. */
  describe(app: INestApplication): void {
    this.readBase = () => baseDocument(app);
  }

  /** The document of the admin port. */
  adminDocument(): OpenAPIObject {
    const { routes } = this;
    if (routes === undefined) throw new TypeError('describe() comes first');
    const part = partOf(routes, (path) => path.startsWith('/admin') || path.startsWith('/v2/repository'));
    const info = {
      ...part.info,
      title: 'mserve admin',
      description: 'Loads, unloads and switches versions of servables while they serve.',
    };
    const securitySchemes = { bearer: { type: 'http' as const, scheme: 'bearer' } };
    const schemas = { ...part.components?.schemas, OipError: sharedSchemas['OipError'] };
    return { ...part, info, security: [{ bearer: [] }], components: { ...part.components, schemas, securitySchemes } } as OpenAPIObject;
  }

  private get routes(): OpenAPIObject | undefined {
    this.base ??= this.readBase?.();
    return this.base;
  }

  /** Whether /docs and /openapi.json are answered. */
  get isOn(): boolean {
    const { rest } = this.ingress.addresses;
    return this.docs ?? (rest !== undefined && isLoopback(parseAddress(rest)));
  }

  /** The document as the catalog is now, without the routes of the admin port. */
  document(): OpenAPIObject {
    const base = this.routes && partOf(this.routes, (path) => !path.startsWith('/admin'));
    // Our schemas are JSON Schema 2020-12 as OpenAPI 3.1 has it; @nestjs/swagger's types are those of 3.0
    return {
      ...base,
      paths: { ...inferPaths(this.catalog.ready), ...base?.paths },
      components: {
        ...base?.components,
        schemas: { ...base?.components?.schemas, ...sharedSchemas },
        responses: { ...base?.components?.responses, ...sharedResponses },
      },
    } as OpenAPIObject;
  }
}

/** A document with some of the paths of another, and the schemas that they use. */
function partOf(document: OpenAPIObject, isIn: (path: string) => boolean): OpenAPIObject {
  const paths = Object.fromEntries(Object.entries(document.paths).filter(([path]) => isIn(path)));
  const all = document.components?.schemas ?? {};
  const used = new Set<string>();
  const follow = (part: unknown): void => {
    for (const [, name] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (name === undefined || used.has(name)) continue;
      used.add(name);
      if (all[name] !== undefined) follow(all[name]);
    }
  };
  follow(paths);
  const schemas = Object.fromEntries(Object.entries(all).filter(([name]) => used.has(name)));
  return { ...document, paths, components: { ...document.components, schemas } };
}

/** The document without servables: Nest's own routes, and what all infer operations share. */
function baseDocument(app: INestApplication): OpenAPIObject {
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
