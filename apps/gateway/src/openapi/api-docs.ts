import { Inject, Injectable, type INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { HostCheck, type HostDenial } from '@mserve/app';
import { isLoopback, parseAddress } from '@mserve/config';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { Ingress } from '../edge/ingress.js';
import type { ModelControlMode } from '../edge/admin-options.js';
import { modelControlToken } from '../edge/tokens.js';
import { version } from '../edge/version.js';
import { inferPaths, sharedResponses, sharedSchemas } from './infer-paths.js';

/** Injection token of the {@link DocsOptions}. */
export const docsOptionsToken = Symbol('docs');

/** Where the documentation is served. */
export interface DocsOptions {
  /** undefined = when the REST port listens on loopback. */
  readonly isOn: boolean | undefined;
  /** Names in the Host header beside that of the REST address and localhost. */
  readonly hosts: readonly string[];
}

/** The API documentation: whether it is served, and the document. */
@Injectable()
export class ApiDocs {
  private readBase: (() => OpenAPIObject) | undefined;
  private base: OpenAPIObject | undefined;
  private hosts: { readonly rest: string; readonly check: HostCheck } | undefined;

  constructor(
    @Inject(MethodCatalog) private readonly catalog: MethodCatalog,
    @Inject(Ingress) private readonly ingress: Ingress,
    @Inject(docsOptionsToken) private readonly options: DocsOptions,
    @Inject(modelControlToken) private readonly mode: ModelControlMode,
  ) {}

  /** The application whose routes the document has beside the infer operations. */
  describe(app: INestApplication): void {
    this.readBase = () => baseDocument(app);
  }

  /** The document of the admin port. `prefix`: as of {@link document}. */
  adminDocument(prefix?: string): OpenAPIObject {
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
    return {
      ...part,
      info,
      servers: serversOf(prefix),
      security: [{ bearer: [] }],
      components: { ...part.components, schemas, securitySchemes },
    } as OpenAPIObject;
  }

  private get routes(): OpenAPIObject | undefined {
    this.base ??= this.readBase?.();
    return this.base;
  }

  /** Whether /docs and /openapi.json are answered. */
  get isOn(): boolean {
    const { rest } = this.ingress.addresses;
    return this.options.isOn ?? (rest !== undefined && isLoopback(parseAddress(rest)));
  }

  /** Undefined when a request with this Host header may read the documentation. */
  denial(host: string | undefined): HostDenial | undefined {
    const { rest = '' } = this.ingress.addresses;
    if (this.hosts?.rest !== rest)
      this.hosts = { rest, check: new HostCheck(rest, this.options.hosts, '--docs-hosts names further hosts') };
    return this.hosts.check.denial(host);
  }

  /**
   * The document as the catalog is now, without the routes of the admin port, and without those that load and unload where nobody may call them.
   * `prefix`: what a proxy in front takes off the paths (X-Forwarded-Prefix).
   */
  document(prefix?: string): OpenAPIObject {
    const base =
      this.routes &&
      partOf(this.routes, (path) => !path.startsWith('/admin') && (this.mode === 'explicit' || !path.startsWith('/v2/repository/models/')));
    // Our schemas are JSON Schema 2020-12 as OpenAPI 3.1 has it; @nestjs/swagger's types are those of 3.0
    return {
      ...base,
      servers: serversOf(prefix),
      paths: { ...inferPaths(this.catalog.ready), ...base?.paths },
      components: {
        ...base?.components,
        schemas: { ...base?.components?.schemas, ...sharedSchemas },
        responses: { ...base?.components?.responses, ...sharedResponses },
      },
    } as OpenAPIObject;
  }
}

/** A path, or several with commas between them when there are several proxies, the outermost first. */
const prefixPattern = /^\/[\w.~/-]{0,200}$/;

/** Where the paths of the document begin. What is no path in the header is as good as nothing: it may be anybody's. */
function serversOf(prefix: string | undefined): { url: string }[] {
  const parts = (prefix ?? '').split(',').map((part) => part.trim().replace(/\/+$/, ''));
  const joined = parts.every((part) => part === '' || prefixPattern.test(part)) ? parts.join('') : '';
  return [{ url: joined === '' || joined.startsWith('//') ? '/' : joined }];
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
