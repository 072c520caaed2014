/** What a linter finds wrong with an OpenAPI document, in words; none when it is right. */
export function lintOpenApi(document: object): Promise<string[]>;

/** What is wrong with a value by a schema, in words; none when it is right. Throws for what is no schema. */
export type SchemaChecker = (schema: object, value: unknown, isChecked?: boolean) => string[];

/** Checks values against the schemas of an OpenAPI 3.1 document, whose references are resolved in it. `isChecked` false: only that it is a schema. */
export function schemaChecker(document: { readonly components?: object }): SchemaChecker;
