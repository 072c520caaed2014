import { useEffect, useState } from 'preact/hooks';

const choices = ['auto', 'light', 'dark'] as const;
/** The colours of the page; auto: as the system has it. */
export type Theme = (typeof choices)[number];

const storageKey = 'mserve-theme';

function stored(): Theme {
  const found = localStorage.getItem(storageKey);
  return choices.find((choice) => choice === found) ?? 'auto';
}

/** The theme that is chosen, the one that shows, and what chooses the next. */
export function useTheme(): { choice: Theme; shown: 'light' | 'dark'; next: () => void } {
  const [choice, setChoice] = useState<Theme>(stored);
  const [isDark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const follow = (): void => setDark(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  const shown = choice === 'auto' ? (isDark ? 'dark' : 'light') : choice;
  // At once, not as an effect: charts read their colours from the style
  document.documentElement.dataset['theme'] = shown;
  const next = (): void => {
    const following = choices[(choices.indexOf(choice) + 1) % choices.length] ?? 'auto';
    localStorage.setItem(storageKey, following);
    setChoice(following);
  };
  return { choice, shown, next };
}
