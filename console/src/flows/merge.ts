/**
 * Joining: records of one key into a flow, and the flows that both ends report into one connection kind.
 *
 * Both reporters count the same packets, so their counts are never added up: the end that saw more is believed.
 */
import type { Action, Flow, Series } from "../api/types";
import { decidingHit, stagedAction } from "../format/words";

const SLICES = 30;

export type Verdict = "allowed" | "denied-leaving" | "denied-arriving" | "unknown";

/** A row of the table: one connection kind, or one reporter's flow in one interval. */
export interface Row {
  id: string;
  connection: string;
  /** The flow that decided: the denied one, else the newest. */
  flow: Flow;
  /** One per key, newest first. */
  flows: readonly Flow[];
  verdict: Verdict;
  /** What staged policies would do to a new connection, where that differs from the verdict. */
  staged: Action | null;
  /** The verdict was another earlier in this window. */
  changed: boolean;
  firstMs: number;
  lastMs: number;
  /** Order of arrival in this view. */
  seq: number;
  forward: number;
  back: number;
  packets: number;
  connections: number;
  live: number;
  series: Series | null;
}

function addSeries(series: Series | null, flow: Flow, sliceS: number): Series {
  const at = Date.parse(flow.end_time) - 1;
  const stepMs = (series?.step_s ?? sliceS) * 1000;
  const start = series ? Date.parse(series.from) : Math.floor(at / stepMs) * stepMs - stepMs * (SLICES - 1);
  const bytes = series ? [...series.bytes] : new Array<number>(SLICES).fill(0);
  let from = start;
  const over = Math.floor((at - from) / stepMs) - (SLICES - 1);
  if (over > 0) {
    bytes.splice(0, Math.min(over, bytes.length));
    while (bytes.length < SLICES) bytes.push(0);
    from += over * stepMs;
  }
  const slot = Math.floor((at - from) / stepMs);
  if (slot >= 0) bytes[slot] = (bytes[slot] ?? 0) + flow.bytes_in + flow.bytes_out;
  return { from: new Date(from).toISOString(), step_s: stepMs / 1000, bytes };
}

/** Several histories as one, of the length of each, up to the newest end. */
export function summed(all: readonly Series[]): Series | null {
  const [first] = all;
  if (!first || all.length === 1) return first ?? null;
  const stepMs = 1000 * Math.max(...all.map((one) => one.step_s));
  const end = Math.max(...all.map((one) => Date.parse(one.from) + one.bytes.length * one.step_s * 1000));
  const from = end - SLICES * stepMs;
  const bytes = new Array<number>(SLICES).fill(0);
  for (const one of all) {
    const start = Date.parse(one.from);
    one.bytes.forEach((value, i) => {
      const slot = Math.floor((start + (i + 0.5) * one.step_s * 1000 - from) / stepMs);
      if (slot >= 0 && slot < SLICES) bytes[slot] = (bytes[slot] ?? 0) + value;
    });
  }
  return { from: new Date(from).toISOString(), step_s: stepMs / 1000, bytes };
}

/** Add a record of the same key. `sliceS` is the length of a slice of history, in seconds. */
export function added(flow: Flow | undefined, record: Flow, sliceS: number): Flow {
  // In a backfill the connections that were live are added up over all of it: how many there are now, the next record says.
  if (!flow) return record.series ? { ...record, connections_live: 0 } : { ...record, series: addSeries(null, record, sliceS) };
  const newer = record.end_time >= flow.end_time ? record : flow;
  return {
    ...newer,
    start_time: record.start_time < flow.start_time ? record.start_time : flow.start_time,
    packets_in: flow.packets_in + record.packets_in,
    packets_out: flow.packets_out + record.packets_out,
    bytes_in: flow.bytes_in + record.bytes_in,
    bytes_out: flow.bytes_out + record.bytes_out,
    connections_started: flow.connections_started + record.connections_started,
    connections_completed: flow.connections_completed + record.connections_completed,
    connections_live: record.connections_live,
    series: addSeries(flow.series, record, sliceS),
  };
}

interface Sums {
  forward: number;
  back: number;
  packets: number;
  connections: number;
  live: number;
}

function sumsOf(flows: readonly Flow[], reporter: Flow["reporter"]): Sums {
  const sums: Sums = { forward: 0, back: 0, packets: 0, connections: 0, live: 0 };
  for (const flow of flows) {
    if (flow.reporter !== reporter) continue;
    const arriving = reporter === "Dst";
    sums.forward += arriving ? flow.bytes_in : flow.bytes_out;
    sums.back += arriving ? flow.bytes_out : flow.bytes_in;
    sums.packets += flow.packets_in + flow.packets_out;
    sums.connections += flow.connections_started;
    sums.live += flow.connections_live;
  }
  return sums;
}

function verdictOf(newest: readonly Flow[]): Verdict {
  if (newest.some((flow) => flow.action === "Deny" && flow.reporter === "Src")) return "denied-leaving";
  if (newest.some((flow) => flow.action === "Deny")) return "denied-arriving";
  return newest.some((flow) => flow.action === "Allow") ? "allowed" : "unknown";
}

/** The newest flow of each reporter: what holds now. When leaving is denied, older arrivals no longer count. */
export function current(flows: readonly Flow[]): Flow[] {
  const newest = new Map<string, Flow>();
  for (const flow of flows) {
    const known = newest.get(flow.reporter);
    if (!known || flow.end_time > known.end_time) newest.set(flow.reporter, flow);
  }
  const leaving = newest.get("Src");
  const arriving = newest.get("Dst");
  if (leaving?.action === "Deny" && arriving && arriving.end_time < leaving.start_time) newest.delete("Dst");
  return [...newest.values()];
}

/** The flow that speaks for the connection: what denies; else what a policy decided at the arrival, else the departure. */
function speaker(flows: readonly Flow[]): Flow | undefined {
  const judged = (flow: Flow): number => (decidingHit(flow)?.kind === "Profile" ? 0 : 1);
  const rank = (flow: Flow): number => (flow.action === "Deny" ? 4 : 0) + judged(flow) * 2 + (flow.reporter === "Dst" ? 1 : 0);
  return [...flows].sort((a, b) => rank(b) - rank(a))[0];
}

/** One row for flows that share a connection (or are one flow). `flows` is not empty. */
export function joined(id: string, flows: readonly Flow[], seq: number): Row {
  const now = current(flows);
  const flow = speaker(now) ?? (flows[0] as Flow);
  const verdict = verdictOf(now);
  const sides = [sumsOf(flows, "Dst"), sumsOf(flows, "Src")] as const;
  const more = (key: keyof Sums): number => Math.max(sides[0][key], sides[1][key]);
  const action: Action = verdict === "allowed" ? "Allow" : "Deny";
  const pending = now.map(stagedAction).filter((one) => one !== undefined);
  const would: Action = pending.includes("Deny") ? "Deny" : "Allow";
  const fuller = sides[0].forward + sides[0].back >= sides[1].forward + sides[1].back ? "Dst" : "Src";
  const histories = flows.flatMap((one) => (one.reporter === fuller && one.series ? [one.series] : []));
  return {
    id, seq, flow, flows, verdict, connection: flow.connection,
    staged: pending.length && would !== action && verdict !== "unknown" ? would : null,
    changed: flows.some((one) => now.some((newest) => newest.reporter === one.reporter && newest.action !== one.action)),
    firstMs: Math.min(...flows.map((one) => Date.parse(one.start_time))),
    lastMs: Math.max(...flows.map((one) => Date.parse(one.end_time))),
    forward: more("forward"), back: more("back"), packets: more("packets"), connections: more("connections"), live: more("live"),
    series: summed(histories),
  };
}
