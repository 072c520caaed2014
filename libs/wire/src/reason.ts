import type { ServingErrorCode } from './error-code.js';

/**
 * What an error is about. Every fact is optional; which ones a reason has is told by the `{names}` in its text.
 * Empty texts and zeros do not travel over the bus: they arrive as not given.
 */
export interface Facts {
  readonly servable?: string | undefined;
  /** Decimal digits, as the client asked for it. */
  readonly version?: string | undefined;
  readonly method?: string | undefined;
  /** Name of a model of the Open Inference Protocol, as the client asked for it. */
  readonly model?: string | undefined;
  /** What an author called a function: `Function 'name'`, or the tag of the stage. */
  readonly function?: string | undefined;
  /** Name of an input of the method, or index (from 0) of an input of the model. */
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  /** What was allowed. */
  readonly expected?: string | undefined;
  /** What came instead. */
  readonly given?: string | undefined;
  /** Words of whoever found the fault: a protocol, ONNX Runtime, a function of the servable. */
  readonly detail?: string | undefined;
  /** Number of a stage in its method, from 1. */
  readonly stage?: number | undefined;
  /** The bound that was passed. */
  readonly limit?: number | undefined;
  readonly attempts?: number | undefined;
}

interface ReasonEntry {
  readonly code: ServingErrorCode;
  /** For logs and for protocols without words of their own. `{name}` is a fact; `[...]` is left out when a fact in it is not given. */
  readonly text: string;
}

/**
 * Why requests and instances are refused: the closed set of reasons, each with its code and its text. docs/protocols.md has a row for each:
 * HTTP status, gRPC status, the original's error_code and text.
 *
 * Decisions hang on codes and reasons, never on texts. Errors that no client gets (of start-up, of the bus) have a code alone.
 */
export const reasonTable = {
  // What is asked for
  'servable-not-found': { code: 'NOT_FOUND', text: "servable '{servable}'[ version {version}] is not available" },
  'servable-loading': { code: 'UNAVAILABLE', text: "servable '{servable}'[ version {version}] is loading" },
  'servable-unavailable': { code: 'UNAVAILABLE', text: "servable '{servable}'[ version {version}] is not available now" },
  'method-not-found': { code: 'NOT_FOUND', text: "servable '{servable}' has no method '{method}'" },
  'method-not-named': { code: 'NOT_FOUND', text: "model '{model}' has several methods, ask for one of {expected}" },
  'version-malformed': { code: 'NOT_FOUND', text: "model '{model}' version '{given}' is not a version, it should be a positive integer" },
  'path-not-found': { code: 'NOT_FOUND', text: "'{given}' is not {expected}" },

  // Who asks
  'client-unknown': { code: 'UNAUTHENTICATED', text: 'only clients that are known are answered: {detail}' },
  'client-not-allowed': { code: 'PERMISSION_DENIED', text: "client '{given}' may not {detail}" },

  // How it is asked
  'verb-not-allowed': { code: 'INVALID_ARGUMENT', text: '{given} is not supported here, POST is' },
  'url-malformed': { code: 'INVALID_ARGUMENT', text: '{detail}' },
  'header-malformed': { code: 'INVALID_ARGUMENT', text: '{detail}' },
  'content-unsupported': { code: 'INVALID_ARGUMENT', text: '{detail}' },
  'compression-broken': { code: 'INVALID_ARGUMENT', text: 'the body is not {expected}' },
  'protobuf-malformed': { code: 'INVALID_ARGUMENT', text: 'malformed protobuf message: {detail}' },
  'body-malformed': { code: 'INVALID_ARGUMENT', text: '{detail}' },
  'call-malformed': { code: 'INTERNAL', text: '{detail}' },
  'call-unsupported': { code: 'UNIMPLEMENTED', text: '{detail}' },
  'feature-unsupported': { code: 'INVALID_ARGUMENT', text: '{detail}' },
  'parameter-malformed': { code: 'INVALID_ARGUMENT', text: '{detail}' },

  // Inputs and outputs of the method
  'no-instances': { code: 'INVALID_ARGUMENT', text: "the request has no instances, servable '{servable}', method '{method}'" },
  'input-missing': { code: 'INVALID_ARGUMENT', text: "input '{input}' is missing" },
  'input-unexpected': { code: 'INVALID_ARGUMENT', text: "unexpected input '{input}', {servable}.{method} takes {expected}" },
  'input-malformed': { code: 'INVALID_ARGUMENT', text: "input '{input}': {detail}" },
  'input-mismatch': { code: 'INVALID_ARGUMENT', text: "input '{input}' has {given}, {expected} is expected" },
  'input-count': { code: 'INVALID_ARGUMENT', text: "method '{method}' takes {expected} inputs, the instance has {given}" },
  'input-kind': { code: 'INVALID_ARGUMENT', text: "Input '{input}' of method '{method}' should be {expected}, but is {given}" },
  'output-unexpected': { code: 'INVALID_ARGUMENT', text: "unexpected output '{output}', {servable}.{method} has {expected}" },
  'output-unwritable': { code: 'INVALID_ARGUMENT', text: '{detail}' },

  // Limits, load and time
  'request-too-large': { code: 'RESOURCE_EXHAUSTED', text: '{detail}' },
  'body-not-inflated': { code: 'DEADLINE_EXCEEDED', text: 'the body was not inflated in time' },
  'request-too-slow': { code: 'DEADLINE_EXCEEDED', text: '{detail}' },
  'too-many-requests': { code: 'RESOURCE_EXHAUSTED', text: 'too many requests are waiting, at most {limit} may' },
  'too-many-instances': { code: 'RESOURCE_EXHAUSTED', text: 'too many instances are waiting, at most {limit} may' },
  'deadline-unreachable': {
    code: 'RESOURCE_EXHAUSTED',
    text: "too much waits before the request for it to meet its deadline, servable '{servable}', method '{method}'",
  },
  'too-many-bytes': { code: 'UNAVAILABLE', text: 'the server holds too many bytes of requests, try again later' },
  'deadline-exceeded': {
    code: 'DEADLINE_EXCEEDED',
    text: "deadline exceeded[, servable '{servable}'][, method '{method}'][, stage {stage}]",
  },
  'late-on-arrival': { code: 'DEADLINE_EXCEEDED', text: 'the deadline of the request had passed when it arrived' },
  cancelled: { code: 'CANCELLED', text: "the request was cancelled[, method '{method}']" },
  'shutting-down': { code: 'UNAVAILABLE', text: 'the server is shutting down' },
  'attempts-used-up': {
    code: 'UNAVAILABLE',
    text: "servable '{servable}', method '{method}': {attempts} attempts were lost with their workers",
  },
  'workers-died': {
    code: 'UNAVAILABLE',
    text: "servable '{servable}', method '{method}': two workers died while they had this instance",
  },
  'tensors-lost': { code: 'UNAVAILABLE', text: 'the owner of the tensors is gone' },

  // The run. Model.call gives these texts to functions, which may pass them on: they are the original's
  'model-input-count': { code: 'INVALID_ARGUMENT', text: 'Given model inputs size {given} less than model inputs size {expected}' },
  'model-input-size': {
    code: 'INVALID_ARGUMENT',
    text: 'Given model input {input} size {given} not match the size {expected} defined in model',
  },
  'model-input-shape': {
    code: 'INVALID_ARGUMENT',
    text: 'Given model input {input} shape {given} not match the shape {expected} defined in model',
  },
  'model-input-dtype': {
    code: 'INVALID_ARGUMENT',
    text: 'Given model input {input} data type {given} not match the data type {expected} defined in model',
  },
  'data-refused': { code: 'INVALID_ARGUMENT', text: 'Predict Failed, {detail}' },
  'ranks-unavailable': { code: 'UNAVAILABLE', text: 'Predict Failed, {detail}' },
  'model-failed': { code: 'INTERNAL', text: 'Predict Failed[, {detail}]' },
  'function-failed': { code: 'ABORTED', text: "{function} failed, method '{method}', stage {stage}: {detail}" },
  'function-refused': { code: 'INVALID_ARGUMENT', text: '{detail}' },
  'function-output-count': {
    code: 'ABORTED',
    text: "{function} returned {given} outputs where {expected} are expected, method '{method}', stage {stage}",
  },
  'function-output-kind': {
    code: 'ABORTED',
    text: "{function} returned a value of type {given} where {expected} is expected, method '{method}', stage {stage}",
  },
  'function-result-count': {
    code: 'ABORTED',
    text: "{function} gave {given} results for {expected} instances, method '{method}', stage {stage}",
  },
  'function-late': { code: 'DEADLINE_EXCEEDED', text: "{function} is late, method '{method}', stage {stage}: {detail}" },
  'function-cancelled': { code: 'CANCELLED', text: "{function} was cancelled, method '{method}', stage {stage}: {detail}" },
  'function-unavailable': { code: 'UNAVAILABLE', text: "{function} cannot be run now, method '{method}', stage {stage}: {detail}" },
  'function-limit': { code: 'RESOURCE_EXHAUSTED', text: "{function} passed a limit, method '{method}', stage {stage}: {detail}" },
  'function-broken': { code: 'INTERNAL', text: "{function} could not be run, method '{method}', stage {stage}: {detail}" },

  // The answer
  'answer-too-large': { code: 'RESOURCE_EXHAUSTED', text: 'the outputs cannot be sent: {detail}' },
  'answer-failed': { code: 'INTERNAL', text: '{detail}' },
  internal: { code: 'INTERNAL', text: '{detail}' },
} as const satisfies Readonly<Record<string, ReasonEntry>>;

/** Why a request or an instance was refused. */
export type Reason = keyof typeof reasonTable;

/** Every reason, in the order of the table. */
export const reasons = Object.keys(reasonTable) as readonly Reason[];

/** The reason of this name when it is one of this code's; else undefined, and the code alone counts (a newer peer may have more reasons). */
export function knownReason(name: string, code: ServingErrorCode): Reason | undefined {
  return Object.hasOwn(reasonTable, name) && reasonTable[name as Reason].code === code ? (name as Reason) : undefined;
}

/** A text from a template: `{name}` becomes the fact, nothing when it is not given; `[...]` is left out when a fact in it is not given. */
export function textOfFacts(template: string, facts: Facts): string {
  const given = (name: string): string | number | undefined => facts[name as keyof Facts];
  return template
    .replace(/\[([^\]]*)\]/g, (_, part: string) =>
      [...part.matchAll(/\{(\w+)\}/g)].some(([, name]) => given(name as string) === undefined) ? '' : part,
    )
    .replace(/\{(\w+)\}/g, (_, name: string) => String(given(name) ?? ''));
}
