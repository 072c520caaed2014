import { isUtf8 } from 'node:buffer';
import { refusal, type MethodSignature } from '@mserve/wire';
import { checkJsonSyntax } from '../json/json-syntax.js';
import { JsonReader, sameBytes, unreadable } from '../json/json-reader.js';
import type { DecodeLimits } from '../decode-limits.js';
import { maxMembers, type Slots } from '../ms-tensors.js';
import { nameIndex, planOf, type MethodPlan } from '../plan.js';
import type { RequestMemory } from '../../edge/ingress.js';
import { tooLarge } from '../../edge/status.js';
import { readValue, type ValueContext } from './ms-value.js';
import { explainBody } from './ms-explain.js';
import { ElementError } from '../json/element-sink.js';

const instancesKey = Buffer.from('instances');
const noPlan: MethodPlan = { inputNames: [], outputNames: [], sortedOutputs: [], outputKeys: [] };

/** How the original begins the text of an error in the JSON itself. */
export const syntaxPrefix = 'Illegal JSON format.';

/**
 * Reads a request body. A correct body takes one pass; whatever stops that pass makes a second, slower one find the original's text for it. `context` says how number literals become elements. `memory`: for large tensors. `method` undefined = not known: the body is read all the same, for its errors go before that one.
 * Throws ServingError INVALID_ARGUMENT, or RESOURCE_EXHAUSTED for what is over `limits`.
 */
export function readBody(
  body: Uint8Array,
  method: MethodSignature | undefined,
  limits: DecodeLimits,
  context: ValueContext,
  memory?: RequestMemory,
): Slots[] {
  if (!isUtf8(body)) throw refusal('body-malformed', { detail: syntaxPrefix });
  const plan = method === undefined ? noPlan : planOf(method);
  try {
    return readInstances(new JsonReader(body, limits, false, memory), limits.maxRequestInstances, plan, method, context);
  } catch (thrown) {
    if (thrown !== unreadable && !(thrown instanceof ElementError)) throw thrown;
    checkJsonSyntax(body, syntaxPrefix, limits.maxJsonDepth);
    return explainBody(body, limits, plan, method, context);
  }
}

function readInstances(
  reader: JsonReader,
  maxInstances: number,
  plan: MethodPlan,
  method: MethodSignature | undefined,
  context: ValueContext,
): Slots[] {
  let instances: Slots[] | undefined;
  if (!reader.enter(0x7b)) throw unreadable;
  do {
    if (!sameBytes(reader.key(), instancesKey)) {
      reader.skip(1);
      continue;
    }
    instances = [];
    if (reader.peek() === 0x7b) {
      instances.push(readInstance(reader, plan, method, context));
      continue;
    }
    if (!reader.enter(0x5b)) throw unreadable;
    do {
      if (instances.length === maxInstances) throw tooLarge(`the request has more than ${maxInstances} instances`);
      instances.push(readInstance(reader, plan, method, context));
    } while (reader.more(0x5d));
  } while (reader.more(0x7d));
  reader.finish();
  if (instances === undefined) throw unreadable;
  return instances;
}

function readInstance(reader: JsonReader, plan: MethodPlan, method: MethodSignature | undefined, context: ValueContext): Slots {
  const { inputNames } = plan;
  const slots: Slots = new Array<undefined>(inputNames.length).fill(undefined);
  if (!reader.enter(0x7b)) throw unreadable;
  let hint = 0;
  do {
    const key = reader.key();
    if (key.length === 0) throw unreadable;
    if (hint === maxMembers) throw tooLarge(`an object of the request has more than ${maxMembers} members`);
    const index = nameIndex(inputNames, key, hint++);
    // Inputs that the method does not declare are read for their errors and dropped. A name given twice: the last one counts.
    const tensor = readValue(reader, method?.inputs[index], context);
    if (index !== -1) slots[index] = tensor;
  } while (reader.more(0x7d));
  return slots;
}
