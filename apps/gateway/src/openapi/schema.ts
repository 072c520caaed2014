/** A JSON Schema (2020-12), as OpenAPI 3.1 has it. */
export interface SchemaObject {
  readonly $ref?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: SchemaObject;
  readonly prefixItems?: readonly SchemaObject[];
  readonly anyOf?: readonly SchemaObject[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaObject>>;
  readonly additionalProperties?: boolean | SchemaObject;
  readonly contentEncoding?: string;
  readonly contentMediaType?: string;
  readonly enum?: readonly unknown[];
}

/** OpenAPI's Media Type Object, as far as it is written here. */
export interface MediaType {
  readonly schema: SchemaObject;
  readonly example?: unknown;
}

/** OpenAPI's Operation Object, as far as it is written here. */
export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly requestBody: { readonly required: true; readonly content: Readonly<Record<string, MediaType>> };
  readonly responses: Readonly<
    Record<string, { readonly $ref: string } | { readonly description: string; readonly content: Readonly<Record<string, MediaType>> }>
  >;
}

/** Paths of infer operations; all are POST. */
export type InferPaths = Record<string, { readonly post: Operation }>;
