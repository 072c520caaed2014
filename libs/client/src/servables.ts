import type { ClientInput, ClientOutput } from './value.js';

/**
 * The servables of a server, for the types of Client.infer: `mserve types > servables.d.ts` writes a declaration that fills it from a running server. Without
 * one, any names are taken.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface Servables {}

/** A method in {@link Servables}. */
export interface MethodTypes {
  readonly inputs: object;
  readonly outputs: object;
}

/** Names of servables: those that are declared, and any others. */
export type ServableName = (keyof Servables & string) | (string & {});

/** Names of the methods of a servable. */
export type MethodName<S extends string> = S extends keyof Servables ? keyof Servables[S] & string : string;

type Method<S extends string, M extends string> = S extends keyof Servables
  ? M extends keyof Servables[S]
    ? Servables[S][M]
    : never
  : { readonly inputs: Readonly<Record<string, ClientInput | undefined>>; readonly outputs: Readonly<Record<string, ClientOutput>> };

/** What a method takes. */
export type InputsOf<S extends string, M extends string> = Method<S, M> extends { readonly inputs: infer I } ? I : never;

/** What a method gives. */
export type OutputsOf<S extends string, M extends string> = Method<S, M> extends { readonly outputs: infer O } ? O : never;
