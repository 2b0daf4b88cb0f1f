/** Lists of flows, one flow's details, and what is counted from flows: time series, top, graph, hints. */
import { meets } from "./filter.mjs";
import { connections, counts, iso, over, series, BUCKET_S } from "./traffic.mjs";
import { walk } from "./judge.mjs";

const MOST_ROWS = 20000;

/** Entries that meet the filter. */
export function chosen(hub, clauses) {
  const counted = clauses.some((one) => ["bytes", "packets", "connections"].includes(one.field));
  return counted ? hub.entries : hub.entries.filter((entry) => meets(entry.flow, clauses));
}

/** Flows over the window, grouped; newest first. */
export function listed(hub, { clauses, from, to, group }) {
  const rows = [];
  for (const entry of chosen(hub, clauses)) {
    if (group === "connection") {
      const flow = over(entry, from, to);
      if (flow) rows.push({ ...flow, series: series(entry, from, to) });
      continue;
    }
    for (let at = to - (to % BUCKET_S || BUCKET_S); at >= from - BUCKET_S && rows.length < MOST_ROWS * 2; at -= BUCKET_S) {
      const flow = over(entry, at, Math.min(to, at + BUCKET_S));
      if (flow) rows.push(flow);
    }
  }
  const kept = rows.filter((flow) => meets(flow, clauses));
  kept.sort((a, b) => (a.start_time < b.start_time ? 1 : -1));
  return group === "connection" ? kept : kept.slice(0, MOST_ROWS);
}

export function page(hub, query) {
  const rows = listed(hub, query);
  const total = query.group === "connection" ? new Set(rows.map((row) => row.connection)).size : rows.length;
  const at = Number(query.cursor ?? 0);
  const items = rows.slice(at, at + query.limit);
  return { items, total, next_cursor: at + query.limit < rows.length ? String(at + query.limit) : null, notes: hub.notes() };
}

function endDetails(end) {
  return { type: end.type, namespace: end.namespace, name: end.name, labels: end.labels, pods: end.pods, addresses: end.addresses ?? [],
    dns_names: end.name === "PUBLIC NETWORK" ? ["catfact.ninja"] : [] };
}

function history(entry, from, to, denied) {
  const step = Math.max(BUCKET_S, Math.ceil((to - from) / 60 / BUCKET_S) * BUCKET_S);
  const points = [];
  for (let at = to - (to % step) - 59 * step; at <= to; at += step) {
    const begun = connections(entry.link, at, at + step);
    const one = counts({ ...entry, flow: { ...entry.flow, reporter: "Dst" } }, begun);
    points.push({ time: iso(at), bytes_forward: one.bytes_in, bytes_back: one.bytes_out, packets_forward: one.packets_in,
      packets_back: one.packets_out, connections: begun, denied: denied ? begun : 0 });
  }
  return { step_s: step, history: points };
}

/** Details of a flow or connection, or null. */
export function details(hub, id, { from, to }) {
  const first = hub.entries.find((one) => one.flow.id === id || one.flow.connection === id);
  if (!first) return null;
  const entries = hub.entries.filter((one) => one.flow.connection === first.flow.connection);
  const way = (direction, staged) => walk(hub.rules, first.link, direction, staged)?.walk ?? null;
  const [egress, ingress] = [way("Egress", false), way("Ingress", false)];
  const staged = (direction, plain) => {
    const other = way(direction, true);
    return JSON.stringify(other) === JSON.stringify(plain) ? null : other;
  };
  const raw = entries.flatMap((entry) => Array.from({ length: 20 }, (_, i) => over(entry, to - 1 - i, to - i))).filter(Boolean);
  return { flows: entries.map((one) => over(one, from, to)).filter(Boolean), source: endDetails(first.link.source), dest: endDetails(first.link.dest),
    egress, ingress, staged_egress: staged("Egress", egress), staged_ingress: staged("Ingress", ingress),
    ...history(first, from, to, first.denied), raw: raw.slice(0, 50) };
}

const pairs = (entries) => new Map(entries.map((one) => [one.flow.connection, one]));

export function timeseries(hub, { clauses, from, to, step, by }) {
  const keys = { action: (entry) => entry.flow.action, source: (entry) => entry.flow.source_name, dest: (entry) => entry.flow.dest_name };
  const length = Math.max(1, Math.min(240, Math.ceil((to - from) / step)));
  const found = new Map();
  for (const entry of pairs(chosen(hub, clauses)).values()) {
    const key = (keys[by] ?? keys.action)(entry);
    const line = found.get(key) ?? { key, bytes: Array(length).fill(0), packets: Array(length).fill(0), connections: Array(length).fill(0) };
    for (let i = 0; i < length; i += 1) {
      const begun = connections(entry.link, from + i * step, from + (i + 1) * step);
      const one = counts(entry, begun);
      line.bytes[i] += one.bytes_in + one.bytes_out;
      line.packets[i] += one.packets_in + one.packets_out;
      line.connections[i] += begun;
    }
    found.set(key, line);
  }
  return { from: iso(from), step_s: step, series: [...found.values()] };
}

export function top(hub, { clauses, from, to, by, measure, limit }) {
  const found = new Map();
  for (const entry of pairs(chosen(hub, clauses)).values()) {
    const end = by === "source" ? entry.link.source : entry.link.dest;
    const key = by === "pair" ? entry.link.id : end.name;
    const item = found.get(key) ?? { key, namespace: end.namespace, bytes: 0, connections: 0, denied: 0 };
    const begun = connections(entry.link, from, to);
    const one = counts(entry, begun);
    item.bytes += one.bytes_in + one.bytes_out;
    item[entry.denied ? "denied" : "connections"] += begun;
    found.set(key, item);
  }
  return { items: [...found.values()].sort((a, b) => b[measure] - a[measure]).slice(0, limit) };
}

const nodeId = (end) => `${end.namespace}/${end.name}`;

export function graph(hub, { clauses, from, to }) {
  const nodes = new Map();
  const edges = new Map();
  for (const entry of chosen(hub, clauses)) {
    const { link, flow } = entry;
    const begun = connections(link, from, to);
    if (!begun) continue;
    for (const end of [link.source, link.dest]) {
      nodes.set(nodeId(end), { id: nodeId(end), type: end.type, namespace: end.namespace, name: end.name, replicas: end.pods.length, labels: end.labels });
    }
    const edge = edges.get(flow.connection) ?? { id: flow.connection, source: nodeId(link.source), dest: nodeId(link.dest), service: link.service.name,
      port: link.port, protocol: link.protocol, bytes: 0, allowed: 0, denied: 0, would_deny: false, decided_by: [] };
    const one = counts(entry, begun);
    edge.bytes = Math.max(edge.bytes, one.bytes_in + one.bytes_out);
    edge[entry.denied ? "denied" : "allowed"] = begun;
    edge.would_deny ||= !entry.denied && flow.policies.pending.at(-1)?.action === "Deny";
    edge.decided_by.push(flow.policies.enforced.at(-1));
    edges.set(flow.connection, edge);
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

const HINTS = {
  source_name: (flow) => [flow.source_name], dest_name: (flow) => [flow.dest_name], source_namespace: (flow) => [flow.source_namespace],
  dest_namespace: (flow) => [flow.dest_namespace], service: (flow) => [flow.dest_service_name].filter((name) => name !== "-"),
};

function policyHints(flow, part) {
  const hits = [...flow.policies.enforced, ...flow.policies.pending].filter((hit) => hit.kind !== "Profile");
  return hits.map((hit) => (hit.trigger ?? hit)[part]).filter(Boolean);
}

export function hints(hub, { clauses, field, text, limit, cursor }) {
  const read = HINTS[field] ?? ((flow) => policyHints(flow, field.replace("policy_", "")));
  const searched = text ? [...clauses] : clauses;
  const found = new Set(chosen(hub, searched).flatMap((entry) => read(entry.flow)));
  const match = (value) => !text || meets({ source_name: value }, [{ field: "source_name", operator: "~", values: [text], negated: false }]);
  const all = [...found].map((value) => (field.endsWith("namespace") && value === "-" ? "Global" : value)).filter(match).sort();
  const at = Number(cursor ?? 0);
  return { items: all.slice(at, at + limit).map((value) => ({ value })), total: all.length, next_cursor: at + limit < all.length ? String(at + limit) : null };
}
