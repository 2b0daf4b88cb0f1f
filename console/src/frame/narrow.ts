/** Whether the window is as narrow as a phone's. The same width as in the style sheets. */
import { useSyncExternalStore } from "react";

const query = (): MediaQueryList => window.matchMedia("(max-width: 640px)");

function subscribe(listener: () => void): () => void {
  const narrow = query();
  narrow.addEventListener("change", listener);
  return () => narrow.removeEventListener("change", listener);
}

export const useNarrow = (): boolean => useSyncExternalStore(subscribe, () => query().matches);
