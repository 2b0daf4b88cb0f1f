/** Functions that stay the same object, so that what gets them need not be drawn again. */
import { useCallback, useInsertionEffect, useRef } from "react";

/** A function that does what the newest `act` does. For events only: not to be called while drawing. */
export function useStable<Arguments extends unknown[]>(act: (...args: Arguments) => void): (...args: Arguments) => void {
  const newest = useRef(act);
  useInsertionEffect(() => {
    newest.current = act;
  });
  return useCallback((...args: Arguments) => newest.current(...args), []);
}
