import { useMemo, useState } from 'preact/hooks';
import type { ServableState, StateTick } from '@mserve/ops/state';
import type { MethodSignature } from '@mserve/wire';
import { trimmed } from '@mserve/ops/state';
import { infer, type Outcome } from './infer.js';
import { readInput, startGiven, type GivenInput, type ReadInput } from './input.js';
import { InputField } from './input-field.js';
import { snippets } from './snippets.js';
import { TensorView } from './tensor-view.js';

/** What is tried. */
export interface Choice {
  readonly servable: string;
  readonly version: number;
  readonly method: string;
}

interface Callable extends Choice {
  readonly signature: MethodSignature;
}

/** Every method that can be called now. */
export function callables(servables: readonly ServableState[]): readonly Callable[] {
  return servables
    .filter(({ state }) => state === 'ready')
    .flatMap(({ servable, version, methods }) => methods.map((signature) => ({ servable, version, method: signature.name, signature })));
}

function keyOf({ servable, version, method }: Choice): string {
  return `${servable}/${version}/${method}`;
}

interface TryItProps {
  readonly servables: readonly ServableState[];
  readonly tick: StateTick;
  readonly choice: Choice | undefined;
  readonly onChoose: (choice: Choice) => void;
}

/** A form for the inputs of a method, its answer, and the same call to copy. */
export function TryIt({ servables, tick, choice, onChoose }: TryItProps) {
  const all = callables(servables);
  const chosen = all.find((one) => choice !== undefined && keyOf(one) === keyOf(choice)) ?? all[0];
  return (
    <section id="try" aria-labelledby="try-title">
      <h2 id="try-title">Try it</h2>
      {chosen === undefined ? (
        <p class="card empty">No method can be called now.</p>
      ) : (
        <>
          <p class="filter">
            <label>
              Method{' '}
              <select
                value={keyOf(chosen)}
                onChange={(event) => {
                  const found = all.find((one) => keyOf(one) === event.currentTarget.value);
                  if (found !== undefined) onChoose(found);
                }}
              >
                {all.map((one) => (
                  <option key={keyOf(one)} value={keyOf(one)}>
                    {one.servable}.{one.method}, version {one.version}
                  </option>
                ))}
              </select>
            </label>
          </p>
          <Form key={keyOf(chosen)} callable={chosen} ports={tick.ports} />
        </>
      )}
    </section>
  );
}

type Read = { readonly inputs: readonly ReadInput[] } | { readonly problem: string };

function readAll({ inputs }: MethodSignature, given: ReadonlyMap<string, GivenInput>): Read {
  try {
    const wanted = inputs.filter(({ name, optional }) => {
      const value = given.get(name);
      return optional !== true || value?.file !== undefined || (value?.text ?? '') !== '';
    });
    return { inputs: wanted.map((input) => readInput(input, given.get(input.name) ?? { text: '' })) };
  } catch (thrown) {
    return { problem: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

function Form({ callable, ports }: { readonly callable: Callable; readonly ports: StateTick['ports'] }) {
  const { servable, version, signature } = callable;
  const [given, setGiven] = useState<ReadonlyMap<string, GivenInput>>(
    () => new Map(signature.inputs.map((input) => [input.name, startGiven(input)])),
  );
  const [outcome, setOutcome] = useState<Outcome>();
  const [isCalling, setCalling] = useState(false);
  const read = useMemo(() => readAll(signature, given), [signature, given]);
  const call = async (): Promise<void> => {
    if ('problem' in read) return setOutcome({ kind: 'error', status: 0, text: read.problem, requestId: undefined });
    setCalling(true);
    setOutcome(await infer(servable, version, signature, read.inputs));
    setCalling(false);
  };
  return (
    <div class="try card">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void call();
        }}
      >
        {signature.doc !== undefined && <p>{signature.doc}</p>}
        {signature.inputs.map((input, i) => (
          <InputField
            key={input.name}
            id={`input-${i}`}
            input={input}
            given={given.get(input.name) ?? { text: '' }}
            onChange={(value) => setGiven(new Map(given).set(input.name, value))}
          />
        ))}
        <button type="submit" class="primary" disabled={isCalling || ports.rest === undefined}>
          {isCalling ? 'Calling…' : `Call ${servable}.${signature.name}`}
        </button>
        {ports.rest === undefined && <p class="problem">This server has no REST port.</p>}
      </form>
      <div class="answer">
        <h3>Answer</h3>
        <div role="status" aria-live="polite">
          {outcome === undefined && <p class="note">The answer will stand here.</p>}
          {outcome?.kind === 'error' && (
            <div class="problem box">
              <b>{outcome.status === 0 ? 'Not sent' : `HTTP ${outcome.status}`}</b>
              <p>{outcome.text}</p>
              {outcome.requestId !== undefined && <p class="mono note">request {outcome.requestId}</p>}
            </div>
          )}
          {outcome?.kind === 'answer' && (
            <>
              <p class="note">
                {trimmed(outcome.milliseconds)} ms{outcome.requestId === undefined ? '' : `, request ${outcome.requestId}`}
              </p>
              {outcome.tensors.map((tensor) => (
                <TensorView
                  key={tensor.name}
                  tensor={tensor}
                  signature={signature.outputs.find(({ name }) => name === tensor.name)}
                  isBatched={signature.batched}
                />
              ))}
            </>
          )}
        </div>
        <Snippets callable={callable} ports={ports} read={read} />
      </div>
    </div>
  );
}

function Snippets({ callable, ports, read }: { readonly callable: Callable; readonly ports: StateTick['ports']; readonly read: Read }) {
  const [shown, setShown] = useState('curl');
  const [copied, setCopied] = useState('');
  if ('problem' in read || ports.rest === undefined) return null;
  const scheme = ports.tls ? 'https' : 'http';
  const made = snippets({
    servable: callable.servable,
    version: callable.version,
    method: callable.signature,
    inputs: read.inputs,
    rest: `${scheme}://${ports.rest}`,
    grpc: ports.grpc,
    isTls: ports.tls,
  });
  const text = (made.find(({ name }) => name === shown) ?? made[0])?.text ?? '';
  return (
    <div class="snippets">
      <h3>The same call</h3>
      <div class="tabs" role="group" aria-label="language of the call">
        {made.map(({ name }) => (
          <button key={name} type="button" class="quiet" aria-pressed={name === shown} onClick={() => setShown(name)}>
            {name}
          </button>
        ))}
        <button type="button" class="quiet copy" onClick={() => void copy(text).then((isCopied) => setCopied(isCopied ? shown : ''))}>
          {copied === shown ? 'Copied' : 'Copy'}
        </button>
      </div>
      <pre class="snippet" tabIndex={0} aria-label={`the call with ${shown}`}>
        {text}
      </pre>
    </div>
  );
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
