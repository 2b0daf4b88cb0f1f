/** Sorting rows, and holding the order still while somebody reads. */
import type { Row } from "./merge";

export interface Sort {
  column: string;
  descending: boolean;
}

/** Rows seen within this time of the newest count as seen together, so that busy rows do not change places all the time. */
const TOGETHER_MS = 20_000;

export type SortKey = (row: Row) => number | string;

/** Sorted copy; ties by arrival, newest first. */
export function sorted(rows: readonly Row[], key: SortKey, descending: boolean): Row[] {
  const keyed = rows.map((row) => ({ row, key: key(row) }));
  const sign = descending ? -1 : 1;
  keyed.sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : b.row.seq - a.row.seq));
  return keyed.map((one) => one.row);
}

/** The sort key of "last seen", coarse for what is active. */
export function lastSeenKey(rows: readonly Row[]): SortKey {
  let newest = 0;
  for (const row of rows) newest = Math.max(newest, row.lastMs);
  return (row) => (newest - row.lastMs < TOGETHER_MS ? newest : row.lastMs);
}

/** `text` from the address: "-bytes" is bytes, descending. */
export function sortOf(text: string | null, fallback: Sort): Sort {
  if (!text) return fallback;
  return text.startsWith("-") ? { column: text.slice(1), descending: true } : { column: text, descending: false };
}

export interface Held {
  rows: Row[];
  /** Rows that are known but not shown yet. */
  fresh: number;
}

/** The rows that were shown, in their order and with their newest values, also those that are gone; new ones are counted. */
export function held(shown: readonly Row[], rows: readonly Row[]): Held {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const known = new Set(shown.map((row) => row.id));
  return { rows: shown.map((row) => byId.get(row.id) ?? row), fresh: rows.reduce((sum, row) => sum + (known.has(row.id) ? 0 : 1), 0) };
}
