import type { ServableState } from '@mserve/ops/state';
import type { MethodSignature, TensorSignature } from '@mserve/wire';
import type { Admin } from './admin.js';
import { shapeText } from './shape-text.js';
import { StageGraph } from './stage-graph.js';
import { Badge } from './tables.js';
import type { Choice } from './try-it.js';

interface ServablesProps {
  readonly servables: readonly ServableState[];
  readonly admin: Admin | undefined;
  readonly onTry: (choice: Choice) => void;
}

interface VersionLine {
  readonly version: number;
  readonly state: string;
  readonly served: ServableState | undefined;
}

/** Served ones, and with the admin token those that only lie on disk. */
function versionsOf(name: string, servables: readonly ServableState[], admin: Admin | undefined): readonly VersionLine[] {
  const served = servables.filter(({ servable }) => servable === name);
  const lines = new Map<number, VersionLine>(served.map((one) => [one.version, { version: one.version, state: one.state, served: one }]));
  for (const { version, state } of admin?.listed.get(name) ?? [])
    if (!lines.has(version)) lines.set(version, { version, state, served: undefined });
  return [...lines.values()].sort((a, b) => b.version - a.version);
}

function tensorText({ name, dtype, shape }: TensorSignature): string {
  return `${name}: ${dtype ?? 'any type'} ${shapeText(shape)}`;
}

function Method({
  servable,
  version,
  method,
  onTry,
  canTry,
}: {
  servable: string;
  version: number;
  method: MethodSignature;
  onTry: (choice: Choice) => void;
  canTry: boolean;
}) {
  const name = `${servable}.${method.name}`;
  return (
    <li class="method">
      <div class="line">
        <div>
          <h4 class="mono">{method.name}</h4>
          {method.doc !== undefined && <p>{method.doc}</p>}
          <p class="note">
            {method.inputs.map(tensorText).join(', ')} → {method.outputs.map(tensorText).join(', ')}
          </p>
          {method.batching !== undefined && (
            <p class="note" title={method.batching.reason}>
              {method.batching.outcome === 'none'
                ? 'one instance at a time'
                : `batches of up to ${method.batchSize}, independence of rows: ${method.batching.outcome}`}
            </p>
          )}
        </div>
        {canTry && (
          <button
            type="button"
            class="quiet"
            aria-label={`Try it: ${name}`}
            onClick={() => onTry({ servable, version, method: method.name })}
          >
            Try it
          </button>
        )}
      </div>
      <StageGraph method={method} name={name} />
    </li>
  );
}

function Changes({ servable, line, admin }: { servable: string; line: VersionLine; admin: Admin }) {
  const { version, state } = line;
  const isServed = state === 'ready' || state === 'loading' || state === 'draining';
  const button = (action: 'load' | 'unload' | 'switch', text: string) => (
    <button
      type="button"
      class="quiet"
      disabled={admin.isBusy}
      aria-label={`${text} ${servable} version ${version}`}
      onClick={() => admin.change(servable, action, version)}
    >
      {text}
    </button>
  );
  return (
    <span class="changes">
      {!isServed && button('load', 'Load')}
      {!isServed && button('switch', 'Switch to')}
      {isServed && button('unload', 'Unload')}
    </span>
  );
}

/** Each servable with its versions, methods and their stages. */
export function Servables({ servables, admin, onTry }: ServablesProps) {
  const names = [...new Set([...servables.map(({ servable }) => servable), ...(admin?.listed.keys() ?? [])])].sort();
  return (
    <section id="servables" aria-labelledby="servables-title">
      <h2 id="servables-title">Servables</h2>
      {admin !== undefined && (
        <p role="status" class="told">
          {admin.told}
        </p>
      )}
      {names.length === 0 && <p class="card empty">Nothing is served yet.</p>}
      <div class="cards">
        {names.map((name) => (
          <article key={name} class="card servable">
            <h3>{name}</h3>
            {versionsOf(name, servables, admin).map((line) => (
              <div key={line.version} class="version">
                <p class="line">
                  <span>
                    version {line.version === 0 ? '?' : line.version} <Badge state={line.state} />{' '}
                    {line.served !== undefined && line.served.readyReplicas > 0 && (
                      <span class="note">
                        {line.served.readyReplicas} {line.served.readyReplicas === 1 ? 'replica' : 'replicas'}
                      </span>
                    )}
                  </span>
                  {admin !== undefined && line.version > 0 && <Changes servable={name} line={line} admin={admin} />}
                </p>
                <ul class="methods">
                  {line.served?.methods.map((method) => (
                    <Method
                      key={method.name}
                      servable={name}
                      version={line.version}
                      method={method}
                      onTry={onTry}
                      canTry={line.state === 'ready'}
                    />
                  ))}
                </ul>
              </div>
            ))}
          </article>
        ))}
      </div>
    </section>
  );
}
