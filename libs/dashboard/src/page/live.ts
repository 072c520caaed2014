import { useEffect, useReducer } from 'preact/hooks';
import type { History, Sample, ServableState, StateTick } from '@mserve/ops/state';

/** What the page knows. Undefined parts have not come yet. */
export interface Live {
  readonly servables: readonly ServableState[] | undefined;
  readonly samples: readonly Sample[];
  readonly tick: StateTick | undefined;
  /** Whether events come in now. */
  readonly isConnected: boolean;
}

type Event =
  | { readonly kind: 'servables'; readonly servables: readonly ServableState[] }
  | { readonly kind: 'history'; readonly history: History }
  | { readonly kind: 'tick'; readonly tick: StateTick }
  | { readonly kind: 'connection'; readonly isConnected: boolean };

const mostSamples = 900;

function next(live: Live, event: Event): Live {
  switch (event.kind) {
    case 'servables':
      return { ...live, servables: event.servables, isConnected: true };
    case 'history':
      return { ...live, samples: event.history.samples, isConnected: true };
    case 'tick': {
      const { sample } = event.tick;
      const last = live.samples.at(-1)?.at ?? 0;
      const samples = sample.at > last ? [...live.samples.slice(1 - mostSamples), sample] : live.samples;
      return { ...live, tick: event.tick, samples, isConnected: true };
    }
    case 'connection':
      return live.isConnected === event.isConnected ? live : { ...live, isConnected: event.isConnected };
  }
}

/** The state of the fleet, as its events come in. The browser connects again by itself. */
export function useLive(): Live {
  const [live, dispatch] = useReducer(next, { servables: undefined, samples: [], tick: undefined, isConnected: false });
  useEffect(() => {
    const source = new EventSource('/state/events');
    const on = <T>(name: string, take: (body: T) => Event): void =>
      source.addEventListener(name, (event: MessageEvent<string>) => dispatch(take(JSON.parse(event.data) as T)));
    on<readonly ServableState[]>('servables', (servables) => ({ kind: 'servables', servables }));
    on<History>('history', (history) => ({ kind: 'history', history }));
    on<StateTick>('tick', (tick) => ({ kind: 'tick', tick }));
    source.addEventListener('error', () => dispatch({ kind: 'connection', isConnected: false }));
    return () => source.close();
  }, []);
  return live;
}
