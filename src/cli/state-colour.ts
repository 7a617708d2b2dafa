// Colour for states, and only for states: green for good, red for bad, amber for between. Used by tables and flows.

export type State = 'good' | 'bad' | 'between';

const ESCAPES: Record<State, string> = { good: '32', bad: '31', between: '33' };

export type Paint = (state: State, text: string) => string;

/** Colours a word, or leaves it as it is where the screen has no colour. */
export const paintWith =
  (hasColour: boolean): Paint =>
  (state, text) =>
    hasColour ? `\u001b[${ESCAPES[state]}m${text}\u001b[0m` : text;

const WORDS: Record<string, State> = {
  True: 'good',
  Healthy: 'good',
  Ready: 'good',
  Active: 'good',
  allowed: 'good',
  False: 'bad',
  Unhealthy: 'bad',
  NotReady: 'bad',
  denied: 'bad',
  failed: 'bad',
  Unknown: 'between',
  Pending: 'between',
  Draining: 'between',
  Terminating: 'between',
};

/** The state that a word of a status column means; undefined for any other word. */
export const stateOf = (word: string): State | undefined => (Object.hasOwn(WORDS, word) ? WORDS[word] : undefined);
