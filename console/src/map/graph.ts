/** What the map draws: the hub's graph after hiding noise, folding namespaces and joining parallel edges. */
import type { Graph, GraphEdge, GraphNode } from "../api/types";

export interface MapOptions {
  namespace: string;
  hideDns: boolean;
  hideHosts: boolean;
  hidden: readonly string[];
  folded: ReadonlySet<string>;
  focus: string;
}

export interface MapNode {
  id: string;
  kind: "workload" | "folded" | "outside";
  namespace: string;
  name: string;
  /** Pods of a workload, workloads of a folded namespace. */
  size: number;
  /** Denied connections that stay inside a folded namespace. */
  denied: number;
  node: GraphNode | null;
}

export interface MapEdge {
  id: string;
  source: string;
  dest: string;
  flows: GraphEdge[];
  bytes: number;
  allowed: number;
  denied: number;
  wouldDeny: boolean;
}

export interface Drawing {
  nodes: MapNode[];
  edges: MapEdge[];
}

/** More workloads than this cannot be read at once. */
export const MANY = 60;
export const MANY_ON_A_PHONE = 12;
const DNS_PORT = 53;

const outside = (node: GraphNode): boolean => node.type === "Network" || node.namespace === "-";

/** Namespaces that start folded: all, when there are more workloads than can be read. */
export function foldedAtFirst(graph: Graph, many = MANY): Set<string> {
  const inside = graph.nodes.filter((node) => !outside(node));
  return inside.length > many ? new Set(inside.map((node) => node.namespace)) : new Set();
}

function keeps(edge: GraphEdge, nodes: ReadonlyMap<string, GraphNode>, options: MapOptions): boolean {
  const ends = [nodes.get(edge.source), nodes.get(edge.dest)];
  if (ends.some((end) => !end || options.hidden.includes(end.namespace))) return false;
  if (options.hideDns && edge.port === DNS_PORT) return false;
  if (options.hideHosts && ends.some((end) => end?.type === "HostEndpoint")) return false;
  if (options.namespace && !ends.some((end) => end?.namespace === options.namespace)) return false;
  return !options.focus || edge.source === options.focus || edge.dest === options.focus;
}

/** The drawn node for an end. The outside is two nodes, one that comes and one that is gone to, so that ways lead right. */
function drawn(node: GraphNode, side: "in" | "out", options: MapOptions): MapNode {
  if (outside(node)) return { id: `${side}:${node.id}`, kind: "outside", namespace: "", name: node.name, size: 0, denied: 0, node };
  if (options.folded.has(node.namespace)) return { id: `ns:${node.namespace}`, kind: "folded", namespace: node.namespace, name: node.namespace, size: 0, denied: 0, node: null };
  return { id: node.id, kind: "workload", namespace: node.namespace, name: node.name, size: node.replicas, denied: 0, node };
}

function joined(found: MapEdge | undefined, source: string, dest: string, flow: GraphEdge): MapEdge {
  const edge = found ?? { id: `${source}>${dest}`, source, dest, flows: [], bytes: 0, allowed: 0, denied: 0, wouldDeny: false };
  return { ...edge, flows: [...edge.flows, flow], bytes: edge.bytes + flow.bytes, allowed: edge.allowed + flow.allowed, denied: edge.denied + flow.denied, wouldDeny: edge.wouldDeny || flow.would_deny };
}

export function drawingOf(graph: Graph, options: MapOptions): Drawing {
  const known = new Map(graph.nodes.map((node) => [node.id, node]));
  const nodes = new Map<string, MapNode>();
  const members = new Map<string, Set<string>>();
  const edges = new Map<string, MapEdge>();
  const inner = new Map<string, number>();
  for (const flow of graph.edges) {
    if (!keeps(flow, known, options)) continue;
    const ends = ([["source", "in"], ["dest", "out"]] as const).map(([end, side]) => {
      const node = known.get(flow[end]) as GraphNode;
      const made = drawn(node, side, options);
      nodes.set(made.id, nodes.get(made.id) ?? made);
      members.set(made.id, (members.get(made.id) ?? new Set()).add(node.id));
      return made.id;
    });
    const [source = "", dest = ""] = ends;
    if (source === dest) inner.set(source, (inner.get(source) ?? 0) + flow.denied);
    else edges.set(`${source}>${dest}`, joined(edges.get(`${source}>${dest}`), source, dest, flow));
  }
  const sized = [...nodes.values()].map((node) => (node.kind === "folded" ? { ...node, size: members.get(node.id)?.size ?? 0, denied: inner.get(node.id) ?? 0 } : node));
  return { nodes: sized, edges: [...edges.values()].sort((a, b) => a.denied - b.denied) };
}

/** "db:3306", or "3 ports". */
export function edgeLabel(edge: MapEdge): string {
  const ports = [...new Set(edge.flows.map((flow) => (flow.service && flow.service !== "-" ? `${flow.service}:${flow.port}` : `${flow.port}/${flow.protocol}`)))];
  return ports.length > 2 ? `${ports.length} services` : ports.join(", ");
}

/** The ways that say most: where something is denied, where staged policies would deny, then those that carry most. */
export function telling(edges: readonly MapEdge[], most: number): ReadonlySet<string> {
  const rank = (edge: MapEdge): number => (edge.denied ? 2 : edge.wouldDeny ? 1 : 0);
  const sorted = [...edges].sort((a, b) => rank(b) - rank(a) || b.denied - a.denied || b.bytes - a.bytes);
  return new Set(sorted.slice(0, most).map((edge) => edge.id));
}
