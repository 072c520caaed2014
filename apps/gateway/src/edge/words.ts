import { textOfFacts, type Facts, type Failure, type Reason } from '@mserve/wire';

/** The texts of the original's REST and gRPC protocols (docs/protocols.md, "Reasons"). Reasons that are not here have the text that the error brings. */
export const msWords: Partial<Readonly<Record<Reason, string>>> = {
  'servable-not-found': 'Request servable({servable}) method({method})[  version({version})] , servable is not available',
  'servable-loading': 'Request servable({servable}) method({method})[  version({version})] , servable is loading',
  'servable-unavailable': 'Request servable({servable}) method({method})[  version({version})] , servable is not available',
  'method-not-found': 'Request servable({servable}) method({method}) , method is not available',
  'verb-not-allowed': 'http message only support POST right now',
  'no-instances': 'Instances count of request cannot be 0, servable: {servable}, method: {method}',
  'input-missing': 'Cannot find input {input} in instance input , servable {servable}, method {method}',
  'input-malformed': 'Instances input {input} check failed, detail: {detail}',
  'too-many-requests': 'Serving Error: enqueued requests count exceeds the limit {limit}',
  'too-many-instances': 'Serving Error: enqueued instances count exceeds the limit {limit}',
  'deadline-exceeded':
    "[Request servable({servable}) method({method}) , ]deadline exceeded[, method '{method}', stage index(begin with 1): {stage}]",
  'shutting-down': '[Request servable({servable}) method({method}) , ]the server is shutting down',
  'attempts-used-up':
    'Request servable({servable}) method({method}) , servable is not available: {attempts} attempts were lost with their workers',
  'workers-died':
    'Request servable({servable}) method({method}) , servable is not available: two workers died while they had this instance',
  'function-failed': "Call {function} Failed, method: '{method}', stage index(begin with 1): {stage}, error msg: {detail}",
  'function-output-count':
    "Call {function} Failed, method: '{method}', stage index(begin with 1): {stage}, error msg: The outputs number {given} of one instance returned by function '{detail}' is not equal to the outputs number {expected}  registered in method {method}",
  'function-output-kind':
    "Call {function} Failed, method: '{method}', stage index(begin with 1): {stage}, error msg: Push py task result cause exception: Get illegal result data with type {given}",
  'function-result-count':
    "Call {function} Failed, method: '{method}', stage index(begin with 1): {stage}, error msg: The number {given} of instances returned by function '{detail}' is not equal to the number {expected} of instances provided to this function.",
  'function-late': "Call {function} Failed, method: '{method}', stage index(begin with 1): {stage}, error msg: {detail}",
  'function-cancelled': "Call {function} Failed, method: '{method}', stage index(begin with 1): {stage}, error msg: {detail}",
  'function-unavailable': "Call {function} Failed, method: '{method}', stage index(begin with 1): {stage}, error msg: {detail}",
  'function-limit': "Call {function} Failed, method: '{method}', stage index(begin with 1): {stage}, error msg: {detail}",
  'function-broken': "Call {function} Failed, method: '{method}', stage index(begin with 1): {stage}, error msg: {detail}",
};

/** The Open Inference Protocol speaks of models where mserve speaks of servables and methods. */
export const oipWords: Partial<Readonly<Record<Reason, string>>> = {
  'servable-not-found': "model '{model}'[ version {version}] is not available",
  'servable-loading': "model '{model}'[ version {version}] is loading",
  'servable-unavailable': "model '{model}'[ version {version}] is not available",
  'method-not-found': "model '{model}': servable '{servable}' has no method '{method}'",
  'input-malformed': '{detail}',
  'deadline-exceeded': "deadline exceeded[, model '{model}'][, stage {stage}]",
  'attempts-used-up': "model '{model}': {attempts} attempts were lost with their workers",
  'workers-died': "model '{model}': two workers died while they had this instance",
  'model-input-count': 'the model takes {expected} inputs, the instance has {given}',
  'model-input-size': 'input {input} of the model has {given} bytes, {expected} are expected',
  'model-input-shape': 'input {input} of the model has shape {given}, {expected} is expected',
  'model-input-dtype': 'input {input} of the model has data type {given}, {expected} is expected',
};

/** The text of a failure for clients of the original. */
export function msText({ message, reason, facts = {} }: Failure): string {
  const words = reason && msWords[reason];
  return words === undefined ? message : textOfFacts(words, facts);
}

/** The text of a failure for clients of the Open Inference Protocol: plain English. */
export function oipText({ message, reason, facts = {} }: Failure): string {
  const words = reason && oipWords[reason];
  return words === undefined ? message : textOfFacts(words, withModel(facts));
}

function withModel(facts: Facts): Facts {
  const { model, servable, method } = facts;
  return model !== undefined || servable === undefined || method === undefined ? facts : { ...facts, model: `${servable}.${method}` };
}
