/** Whether the hub still lets this browser in. It has stopped once any question is answered with 401. */

type Listener = () => void;

let away = false;
const listeners = new Set<Listener>();

/** The hub wants a token. */
export function turnedAway(): void {
  away = true;
  for (const listener of listeners) listener();
}

export const isAway = (): boolean => away;

export function subscribe(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
