/**
 * The rows of a view, kept up to date record by record, and never more of them than MOST_ROWS.
 *
 * Taking a record in is cheap: rows are joined only when somebody looks, and only those that have changed.
 */
import type { Flow } from "../api/types";
import { added, joined, type Row } from "./merge";

export type Group = "connection" | "reporter";

export const MOST_ROWS = 20_000;
const BUCKET_MS = 15_000;

/** Which row a record belongs to. */
export function rowIdOf(flow: Flow, group: Group): string {
  if (group === "connection") return flow.connection;
  return `${flow.id}@${Math.floor(Date.parse(flow.start_time) / BUCKET_MS)}`;
}

interface Entry {
  id: string;
  seq: number;
  lastMs: number;
  /** The flow that changed last comes first. */
  flows: Flow[];
  /** Null since a record came in that it does not have. */
  row: Row | null;
}

export class Book {
  private readonly entries = new Map<string, Entry>();
  private seq = 0;
  /** Rows given up because there were too many. */
  dropped = 0;

  constructor(
    readonly group: Group,
    private readonly sliceS: number,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  /** Take records in. Returns how many rows are new. */
  take(flows: readonly Flow[]): number {
    const before = this.entries.size + this.dropped;
    for (const flow of flows) this.takeOne(flow);
    const fresh = this.entries.size + this.dropped - before;
    this.trim();
    return fresh;
  }

  private takeOne(record: Flow): void {
    const id = rowIdOf(record, this.group);
    const entry = this.entries.get(id) ?? { id, seq: (this.seq += 1), lastMs: 0, flows: [], row: null };
    const known = entry.flows.find((one) => one.id === record.id);
    entry.flows = [added(known, record, this.sliceS), ...entry.flows.filter((one) => one !== known)];
    entry.lastMs = Math.max(entry.lastMs, Date.parse(record.end_time));
    entry.row = null;
    this.entries.set(id, entry);
  }

  /** Give up the rows that were seen longest ago. */
  private trim(): void {
    const excess = this.entries.size - MOST_ROWS;
    if (excess <= 0) return;
    const oldest = [...this.entries.values()].sort((a, b) => a.lastMs - b.lastMs).slice(0, excess + MOST_ROWS / 20);
    for (const entry of oldest) this.entries.delete(entry.id);
    this.dropped += oldest.length;
  }

  /** Let go of the rows that were last seen before a time: they have left the window. Tells whether there were any. */
  forget(beforeMs: number): boolean {
    const size = this.entries.size;
    for (const entry of this.entries.values()) if (entry.lastMs < beforeMs) this.entries.delete(entry.id);
    return this.entries.size < size;
  }

  /** All rows, in order of arrival. One that has not changed is the same object as before. */
  list(): Row[] {
    return Array.from(this.entries.values(), (entry) => (entry.row ??= joined(entry.id, entry.flows, entry.seq)));
  }
}
