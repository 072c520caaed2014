import 'reflect-metadata';
import { Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsInt, IsOptional, IsString, Max, MaxLength, Min, ValidateNested } from 'class-validator';

/** A decorator of class-validator or class-transformer for a field. */
export type Rule = PropertyDecorator;

/**
 * A class whose instances are checked by these rules (decorators of class-validator and class-transformer), with the fields of the message type M. Every
 * field of M needs an entry: one without would be left out of what is received.
 */
export function checked<M extends object>(rules: { readonly [Field in keyof M]-?: readonly Rule[] }): new () => M {
  class Checked {}
  for (const [field, rulesOfField] of Object.entries<readonly Rule[]>(rules))
    for (const rule of rulesOfField) rule(Checked.prototype, field);
  return Checked as new () => M;
}

/** A whole number from `from` to `to`. */
export const count = (from = 0, to = Number.MAX_SAFE_INTEGER): readonly Rule[] => [IsInt(), Min(from), Max(to)];

/** A text of so many UTF-16 units at most. */
export const text = (maxLength: number): readonly Rule[] => [IsString(), MaxLength(maxLength)];

/** A list of nested messages. */
export const listOf = (type: () => new () => object, maxSize: number): readonly Rule[] => [
  IsArray(),
  ArrayMaxSize(maxSize),
  ValidateNested({ each: true }),
  Type(type),
];

/** A field that may be left out. */
export const optional = (rules: readonly Rule[]): readonly Rule[] => [IsOptional(), ...rules];
