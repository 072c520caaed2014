import { render } from 'preact';
import { useState } from 'preact/hooks';
import type { StateTick } from '@mserve/ops/state';
import { AdminEntry, useAdmin } from './admin.js';
import { useLive } from './live.js';
import { Overview } from './overview.js';
import { Servables } from './servables.js';
import { Badge, Failures, Processes, Replicas } from './tables.js';
import { useTheme } from './theme.js';
import { TryIt, type Choice } from './try-it.js';

const parts = [
  ['overview', 'Overview'],
  ['servables', 'Servables'],
  ['try', 'Try it'],
  ['replicas', 'Replicas'],
  ['failures', 'Failures'],
  ['processes', 'Processes'],
] as const;

function Status({ tick, isConnected }: { readonly tick: StateTick | undefined; readonly isConnected: boolean }) {
  if (!isConnected) return <Badge state={tick === undefined ? 'connecting' : 'no connection'} />;
  return <Badge state={tick?.ready === true ? 'ready' : 'not ready'} />;
}

function Page() {
  const { servables, samples, tick, isConnected } = useLive();
  const { choice: themeChoice, shown: theme, next: nextTheme } = useTheme();
  const [choice, setChoice] = useState<Choice>();
  const access = useAdmin(servables);
  const tryMethod = (wanted: Choice): void => {
    setChoice(wanted);
    const title = document.getElementById('try-title');
    title?.setAttribute('tabindex', '-1');
    title?.focus({ preventScroll: true });
    title?.scrollIntoView({ block: 'start' });
  };
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header>
        <div class="bar">
          <h1>
            <span class="mark" aria-hidden="true" />
            mserve
          </h1>
          <Status tick={tick} isConnected={isConnected} />
          <span class="note version">{tick?.version}</span>
          <span class="tools">
            {tick?.ports.admin !== undefined && <AdminEntry {...access} />}
            <button type="button" class="quiet" onClick={nextTheme}>
              Theme: {themeChoice}
            </button>
          </span>
        </div>
        <nav aria-label="parts of the page">
          {parts.map(([id, text]) => (
            <a key={id} href={`#${id}`}>
              {text}
            </a>
          ))}
        </nav>
      </header>
      <main id="content">
        {tick === undefined || servables === undefined ? (
          <p class="card empty">Waiting for the server…</p>
        ) : (
          <>
            <Overview samples={samples} tick={tick} theme={theme} />
            <Servables servables={servables} admin={access.admin} onTry={tryMethod} />
            <TryIt servables={servables} tick={tick} choice={choice} onChoose={setChoice} />
            <Replicas tick={tick} />
            <Failures tick={tick} />
            <Processes tick={tick} />
          </>
        )}
      </main>
    </>
  );
}

const root = document.getElementById('page');
if (root !== null) render(<Page />, root);
