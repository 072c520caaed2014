import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';

export async function lintOpenApi(document) {
  const { errors = [] } = await new Validator().validate(structuredClone(document));
  return typeof errors === 'string' ? [errors] : errors.map(({ instancePath, message }) => `${instancePath} ${message}`);
}

export function schemaChecker(document) {
  const rules = { strict: true, strictTypes: false, strictTuples: false, allowUnionTypes: true, validateFormats: false };
  const ajv = new Ajv2020({ ...rules, allErrors: true });
  // Words of OpenAPI's own
  for (const word of ['example', 'components']) ajv.addKeyword(word);
  return (schema, value, isChecked = true) => {
    const validate = ajv.compile({ ...schema, components: document.components });
    if (!isChecked || validate(value)) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  };
}
