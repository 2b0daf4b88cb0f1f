/** What travels along between screens: the namespace and the time range. */

export type Range = { kind: "live"; minutes: number } | { kind: "past"; from: string; to: string };

export interface Scope {
  /** Empty: all namespaces. */
  namespace: string;
  range: Range;
}

export const DEFAULT_MINUTES = 15;
const CARRIED = ["namespace", "start_time", "from", "to"];

/** Read the range: `from` and `to` for the past, else `start_time` in minutes, 0 to 60. */
export function rangeOf(params: URLSearchParams): Range {
  const from = params.get("from");
  const to = params.get("to");
  if (from && to && !Number.isNaN(Date.parse(from)) && !Number.isNaN(Date.parse(to))) return { kind: "past", from, to };
  const text = params.get("start_time");
  const minutes = text === null || text === "" ? DEFAULT_MINUTES : Number(text);
  return { kind: "live", minutes: minutes >= 0 && minutes <= 60 ? minutes : DEFAULT_MINUTES };
}

export function scopeOf(params: URLSearchParams): Scope {
  return { namespace: params.get("namespace") ?? "", range: rangeOf(params) };
}

/** The parameters that a link to another screen takes along. */
export function carried(params: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams();
  for (const key of CARRIED) {
    const value = params.get(key);
    if (value !== null) next.set(key, value);
  }
  return next;
}

/** `from` and `to` for the hub. A live range of 0 minutes means from now on; what is counted then needs a minute. */
export function windowOf(range: Range): { from: string; to?: string } {
  if (range.kind === "past") return { from: range.from, to: range.to };
  return { from: String(-60 * Math.max(1, range.minutes)) };
}

/** Length of the window in seconds. */
export function secondsOf(range: Range): number {
  if (range.kind === "live") return 60 * Math.max(1, range.minutes);
  return Math.max(1, (Date.parse(range.to) - Date.parse(range.from)) / 1000);
}
