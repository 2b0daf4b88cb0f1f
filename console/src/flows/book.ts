/** The rows of a view, kept up to date record by record, and never more of them than MOST_ROWS. */
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

export class Book {
  private readonly rows = new Map<string, Row>();
  private seq = 0;
  /** Rows given up because there were too many. */
  dropped = 0;

  constructor(
    readonly group: Group,
    private readonly sliceS: number,
  ) {}

  get size(): number {
    return this.rows.size;
  }

  /** Take records in. Returns how many rows are new. */
  take(flows: readonly Flow[]): number {
    const before = this.rows.size + this.dropped;
    for (const flow of flows) this.takeOne(flow);
    const fresh = this.rows.size + this.dropped - before;
    this.trim();
    return fresh;
  }

  private takeOne(record: Flow): void {
    const id = rowIdOf(record, this.group);
    const row = this.rows.get(id);
    const known = row?.flows.find((one) => one.id === record.id);
    const flow = added(known, record, this.sliceS);
    const others = row ? row.flows.filter((one) => one.id !== record.id) : [];
    this.rows.set(id, joined(id, [flow, ...others], row?.seq ?? (this.seq += 1)));
  }

  /** Give up the rows that were seen longest ago. */
  private trim(): void {
    const excess = this.rows.size - MOST_ROWS;
    if (excess <= 0) return;
    const oldest = [...this.rows.values()].sort((a, b) => a.lastMs - b.lastMs).slice(0, excess + MOST_ROWS / 20);
    for (const row of oldest) this.rows.delete(row.id);
    this.dropped += oldest.length;
  }

  /** All rows, in order of arrival. */
  list(): Row[] {
    return [...this.rows.values()];
  }
}
