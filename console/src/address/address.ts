/**
 * The address bar as the one place where a view's state lives: what is set here can be copied, shared and gone back to.
 *
 * Paths are relative to the page's <base>, so that the console works below any prefix.
 */
import { useMemo, useSyncExternalStore } from "react";

export type Changes = Record<string, string | readonly string[] | null>;

const listeners = new Set<() => void>();

function tell(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

const base = (): string => new URL(".", document.baseURI).pathname;

/** Path below the base, without slashes at its ends: "flow-logs/denied-flows". */
function path(): string {
  return window.location.pathname.slice(base().length).replace(/^\/+|\/+$/g, "");
}

/** Apply changes to parameters: null removes a key, a list repeats it. */
export function changed(params: URLSearchParams, changes: Changes): URLSearchParams {
  const next = new URLSearchParams(params);
  for (const [key, value] of Object.entries(changes)) {
    next.delete(key);
    if (value === null) continue;
    for (const one of typeof value === "string" ? [value] : value) next.append(key, one);
  }
  return next;
}

/** The address of a screen, ready for href. */
export function hrefOf(screen: string, params: URLSearchParams): string {
  const query = params.toString();
  return base() + screen + (query ? `?${query}` : "");
}

/** Go to a screen. `replace` leaves no step to go back to: for what changes while one types. */
export function go(screen: string, params: URLSearchParams, { replace = false } = {}): void {
  const href = hrefOf(screen, params);
  if (replace) window.history.replaceState(null, "", href);
  else window.history.pushState(null, "", href);
  tell();
}

/** Change parameters of the current screen. */
export function alter(changes: Changes, options: { replace?: boolean } = {}): void {
  go(path(), changed(new URLSearchParams(window.location.search), changes), options);
}

/** The current screen and its parameters; renders again when they change. */
export function useAddress(): { screen: string; params: URLSearchParams } {
  const href = useSyncExternalStore(subscribe, () => window.location.href);
  return useMemo(() => {
    const url = new URL(href);
    return { screen: path(), params: url.searchParams };
  }, [href]);
}
