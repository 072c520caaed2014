import 'reflect-metadata';
import { plainToInstance } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsNumber,
  IsString,
  Matches,
  Max,
  Min,
  validateSync,
  ValidateBy,
  type ValidationOptions,
} from 'class-validator';
import { isPortAddress, natsServersOf } from './address.js';
import { settingEntries, type SettingKey } from './declarations.js';
import { parseServableChoice } from './servable-choice.js';
import type { Shape } from './shape.js';

/** Text that a function of ours accepts. */
function IsTextThat(name: string, accepts: (text: string) => boolean, options?: ValidationOptions): PropertyDecorator {
  return ValidateBy({ name, validator: { validate: (value: unknown) => typeof value === 'string' && accepts(value) } }, options);
}

/** The decorators of class-validator that hold a shape. */
function decoratorsOf(shape: Shape): readonly PropertyDecorator[] {
  switch (shape.kind) {
    case 'whole':
      return [IsInt(), Min(shape.min), Max(shape.max)];
    case 'number':
      return [IsNumber({ allowNaN: false, allowInfinity: false }), Min(shape.min), Max(shape.max)];
    case 'yes-no':
      return [IsBoolean()];
    case 'choice':
      return [IsIn([...shape.choices])];
    case 'text':
      return [IsString(), Matches(new RegExp(shape.pattern))];
    case 'path':
      return [IsString(), IsNotEmpty()];
    case 'address':
      return [IsTextThat('isPortAddress', (value) => isPortAddress(value, shape))];
    case 'bus':
      return [IsTextThat('isBus', (value) => value === 'memory' || natsServersOf(value) !== undefined)];
    case 'wholes':
      return [
        IsArray(),
        ArrayMinSize(1),
        ArrayMaxSize(shape.most),
        ArrayUnique(),
        IsInt({ each: true }),
        Min(shape.min, { each: true }),
        Max(shape.max, { each: true }),
      ];
    case 'paths':
      return [IsArray(), ArrayMinSize(1), ArrayMaxSize(shape.most), ArrayUnique(), IsString({ each: true }), IsNotEmpty({ each: true })];
    case 'servables':
      return [
        IsArray(),
        ArrayMinSize(1),
        ArrayUnique(),
        IsTextThat('isServableChoice', (value) => parseServableChoice(value) !== undefined, { each: true }),
      ];
  }
}

/** Its properties are the declared settings. */
class SettingValues {}

for (const [key, { shape }] of settingEntries) for (const decorate of decoratorsOf(shape)) decorate(SettingValues.prototype, key);

/** The keys whose value is not what their declaration allows. Values that are undefined are passed over. */
export function wrongKeys(values: Readonly<Partial<Record<SettingKey, unknown>>>): ReadonlySet<SettingKey> {
  const errors = validateSync(plainToInstance(SettingValues, values), { skipUndefinedProperties: true, stopAtFirstError: true });
  return new Set(errors.map(({ property }) => property as SettingKey));
}
