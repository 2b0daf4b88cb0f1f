/** The columns there are: their human title, the raw field behind it, what a cell shows, sorts by and filters by. */
import type { ReactNode } from "react";
import type { FilterField } from "../filters/filters";
import { bytes, count, perSecond } from "../format/numbers";
import { ago, clock, full } from "../format/times";
import { decidingHit, plainName, policyKey, policyOf, protocolWord, REPORTERS } from "../format/words";
import { DecidedBy } from "../parts/DecidedBy";
import { EndName } from "../parts/Name";
import { Sparkline } from "../parts/Sparkline";
import { ActionMark, ROW_WORDS, RowVerdictMark } from "../parts/Verdict";
import type { Group } from "./book";
import type { Row } from "./merge";
import type { SortKey } from "./order";

export interface Column {
  id: string;
  title: string;
  /** The raw field's name, for the tooltip. */
  raw: string;
  /** The least width in pixels, and in a narrow window. */
  width: number;
  narrow?: number;
  /** Its share of the room that is left; 0 where more room would show nothing more. */
  grow: number;
  number?: boolean;
  mono?: boolean;
  key: SortKey;
  cell: (row: Row, now: number) => ReactNode;
  /** What a filter on the cell asks for. */
  filter?: (row: Row) => [FilterField, string];
}

const total = (row: Row): number => row.forward + row.back;

/** The slices of history that are over. The hub's last ones may still be to come. */
function past({ series }: Row): readonly number[] {
  if (!series) return [];
  const over = Math.floor((Date.now() - Date.parse(series.from)) / (1000 * series.step_s));
  return series.bytes.slice(0, Math.max(1, Math.min(over, series.bytes.length - 1)));
}

/** Bytes per second, both ways, in the last slices. */
function rate(row: Row): number {
  const recent = past(row).slice(-5);
  return row.series ? recent.reduce((sum, one) => sum + one, 0) / Math.max(1, recent.length) / row.series.step_s : 0;
}

function decided(row: Row): string {
  const hit = decidingHit(row.flow);
  const policy = hit && policyOf(hit);
  return policy ? `${policy.tier} ${policy.name} ${hit.rule_index}` : "~";
}

function time(title: string, id: string, ms: (row: Row) => number, absolute: boolean): Column {
  return {
    id, title, raw: id, width: absolute ? 84 : 88, grow: 0, key: ms,
    cell: (row, now) => <time dateTime={new Date(ms(row)).toISOString()} title={full(ms(row))}>{absolute ? clock(ms(row)) : ago(ms(row), now)}</time>,
  };
}

function text(id: FilterField & keyof Row["flow"], title: string, width: number, show: (row: Row) => ReactNode = (row) => String(row.flow[id])): Column {
  return { id, title, raw: id, width, grow: 1, key: (row) => String(row.flow[id]), cell: show, filter: (row) => [id, String(row.flow[id])] };
}

function labels(id: "source_labels" | "dest_labels", title: string): Column {
  const shown = (row: Row): string => row.flow[id].join(" | ");
  return { id, title, raw: id, width: 220, grow: 2, mono: true, key: shown, cell: (row) => <span title={shown(row)}>{shown(row)}</span> };
}

function amount(id: string, title: string, value: (row: Row) => number, show: (value: number) => string = count): Column {
  return { id, title, raw: id, width: 66, grow: 0, number: true, key: value, cell: (row) => <span title={count(value(row))}>{show(value(row))}</span> };
}

function service({ flow }: Row): string {
  return flow.dest_service_name === "-" ? "" : flow.dest_service_name;
}

export const COLUMNS: readonly Column[] = [
  time("Last seen", "last_seen", (row) => row.lastMs, false),
  { id: "verdict", title: "Verdict", raw: "action", width: 190, narrow: 164, grow: 0, key: (row) => row.verdict, cell: (row) => <RowVerdictMark row={row} />, filter: (row) => ["action", row.flow.action] },
  { id: "source", title: "Source", raw: "source_namespace, source_name", width: 150, narrow: 96, grow: 4, key: (row) => `${row.flow.source_namespace}/${row.flow.source_name}`,
    cell: ({ flow }) => <EndName namespace={flow.source_namespace} name={flow.source_name} type={flow.source_type} />, filter: (row) => ["source_name", row.flow.source_name] },
  { id: "dest", title: "Destination", raw: "dest_namespace, dest_name", width: 150, narrow: 96, grow: 4, key: (row) => `${row.flow.dest_namespace}/${row.flow.dest_name}`,
    cell: ({ flow }) => <EndName namespace={flow.dest_namespace} name={flow.dest_name} type={flow.dest_type} />, filter: (row) => ["dest_name", row.flow.dest_name] },
  { id: "service", title: "Service", raw: "dest_service_name", width: 72, grow: 1, key: service, cell: (row) => service(row) || <span className="faint">none</span>,
    filter: (row) => ["service", row.flow.dest_service_name] },
  { id: "port", title: "Port", raw: "protocol, dest_port", width: 76, grow: 0, mono: true, key: (row) => row.flow.dest_port,
    cell: ({ flow }) => <>{flow.dest_port}<span className="faint">/{flow.protocol}</span></>, filter: (row) => ["dest_port", String(row.flow.dest_port)] },
  { id: "decided_by", title: "Decided by", raw: "policies", width: 158, grow: 2, key: decided, cell: (row) => <DecidedBy flow={row.flow} />,
    filter: (row) => {
      const hit = decidingHit(row.flow);
      const policy = hit && policyOf(hit);
      return ["policy", policy ? policyKey(policy) : "Profile///"];
    } },
  { id: "rate", title: "Rate", raw: "bytes per second", width: 116, grow: 0, number: true, key: rate,
    cell: (row) => <span className="rate">{row.series && <Sparkline values={past(row)} denied={row.verdict !== "allowed"} width={44} />} <span title="Bytes per second, both ways">{perSecond(rate(row)) === "0/s" ? "0 B/s" : `${bytes(rate(row))}/s`}</span></span> },
  amount("bytes", "Bytes", total, bytes),
  { ...amount("connections", "Connections", (row) => row.connections), width: 100 },
  time("Start", "start_time", (row) => row.firstMs, true),
  time("End", "end_time", (row) => row.lastMs, true),
  text("action", "Action", 92, (row) => <ActionMark action={row.flow.action} plain />),
  text("source_namespace", "Source namespace", 148),
  text("source_name", "Source name", 180, ({ flow }) => <EndName namespace="-" name={flow.source_name} />),
  text("dest_namespace", "Dest namespace", 136),
  text("dest_name", "Dest name", 180, ({ flow }) => <EndName namespace="-" name={flow.dest_name} />),
  text("protocol", "Protocol", 84, ({ flow }) => protocolWord(flow.protocol)),
  text("dest_port", "Dest port", 84),
  text("reporter", "Reporter", 104, (row) => REPORTERS[row.flow.reporter]),
  amount("packets", "Packets", (row) => row.packets),
  amount("connections_live", "Open now", (row) => row.live),
  time("First seen", "first_seen", (row) => row.firstMs, false),
  labels("source_labels", "Source labels"),
  labels("dest_labels", "Dest labels"),
  text("source_ip", "Source address", 120),
  text("dest_ip", "Dest address", 120),
  text("node", "Node", 84),
  { id: "tier", title: "Tier", raw: "policies", width: 150, grow: 1, key: (row) => decidingHit(row.flow)?.tier ?? "", cell: (row) => decidingHit(row.flow)?.tier || <span className="faint">none</span> },
];

export const COLUMN_OF = new Map(COLUMNS.map((column) => [column.id, column]));

const DEFAULTS: Record<Group, readonly string[]> = {
  connection: ["last_seen", "verdict", "source", "dest", "service", "port", "decided_by", "rate", "bytes", "connections"],
  reporter: ["start_time", "end_time", "action", "source_namespace", "source_name", "dest_namespace", "dest_name", "protocol", "dest_port", "reporter"],
};

const NARROW = ["source", "dest", "verdict", "port", "decided_by", "last_seen"];

export const defaultColumns = (group: Group, narrow = false): readonly string[] => (narrow && group === "connection" ? NARROW : DEFAULTS[group]);

/** What a screen reader says for a row. */
export function spoken(row: Row): string {
  const { flow } = row;
  return `${ROW_WORDS[row.verdict][1]}: ${plainName(flow.source_name)} to ${plainName(flow.dest_name)}, port ${flow.dest_port}`;
}
