/** What a program imports that calls mserve. docs/client.md is its guide. */
export { Client, type ManyResult } from './client.js';
export type { BusLogin, CallOptions, ClientOptions, ConnectionOptions, TlsFiles } from './options.js';
export type { MethodDescription, ValueDescription } from './description.js';
export type { ClientInput, ClientOutput, NestedTexts, NumbersFor } from './value.js';
export type { InputsOf, MethodName, MethodTypes, OutputsOf, ServableName, Servables } from './servables.js';
export type { ReadyModel } from './transport.js';
export { typesOf } from './types-text.js';
export { ServingError, type ServingErrorCode } from '@mserve/wire';
export { Tensor, type Nested, type NumericDType } from '@mserve/register';
