/** The second half of the contract of types.ts: what is counted from flows, and policies and endpoints as applied. */
import type { Action, Direction, EndType, Hit, Loss, PolicyRef } from "./types";

/** GET /timeseries?q&from&to&step_s&by (by: action, source, dest, policy). */
export interface Timeseries {
  from: string;
  step_s: number;
  series: { key: string; bytes: number[]; packets: number[]; connections: number[] }[];
}

/** GET /top?q&from&to&by&measure&limit (by: source, dest, pair, service, policy; measure: bytes, connections, denied). */
export interface Top {
  items: { key: string; namespace: string; bytes: number; connections: number; denied: number }[];
}

export interface GraphNode {
  id: string;
  type: EndType;
  namespace: string;
  name: string;
  replicas: number;
  labels: string[];
}

export interface GraphEdge {
  id: string;
  source: string;
  dest: string;
  service: string;
  port: number;
  protocol: string;
  bytes: number;
  /** Connections that were let through, and those that were denied, in the window. */
  allowed: number;
  denied: number;
  /** A staged policy would deny what is allowed now. */
  would_deny: boolean;
  /** Who decided, most frequent first: the hit that ended the walk. */
  decided_by: Hit[];
}

/** GET /graph?q&from&to. */
export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

/** How often something decided, over the window in equal slices. */
export interface Hits {
  step_s: number;
  allow: number[];
  deny: number[];
  pass: number[];
  last_hit: string | null;
}

export interface RuleCard {
  direction: Direction;
  /** As a hit's rule_index: in its direction, from 0. */
  index: number;
  action: Action | "Log";
  text: string;
  hits: number;
  /** Hits by slices of time, those of the policy's. */
  series: number[];
  last_hit: string | null;
  lines: [number, number];
}

export interface PolicyCard {
  ref: PolicyRef;
  /** As written: "application-catfacts.facts". */
  full_name: string;
  staged: boolean;
  order: number | null;
  types: Direction[];
  selector: string;
  /** "pods with app = db in catfacts". */
  selects: string;
  /** Namespace/name of the workloads selected now, sorted; at most 200 of selected_count. */
  selected: string[];
  selected_count: number;
  rules: RuleCard[];
  hits: Hits;
  /** Connections that no rule of it matched and its tier's end decided, with this policy as trigger. */
  end_of_tier: number;
  /** When it was last changed. */
  changed: string;
  yaml: string;
}

export interface TierColumn {
  name: string;
  order: number | null;
  default_action: "Deny" | "Pass";
  builtin: boolean;
  policies: PolicyCard[];
  /** Connections that the tier's end decided. */
  rest: number;
}

/** GET /policies?from&to. Tiers in order, policies in order. */
export interface Board {
  tiers: TierColumn[];
  /** Flows that no policy judged, allowed by the namespace's profile. */
  unjudged: number;
}

export interface DirectionState {
  isolated: boolean;
  /** Enforced policies of that direction in order; what a staged one would add is in `staged`. */
  policies: PolicyRef[];
  staged: PolicyRef[];
}

export interface Peer {
  namespace: string;
  name: string;
  direction: Direction;
  port: number;
  protocol: string;
  bytes: number;
  connections: number;
  denied: number;
}

export interface Endpoint {
  type: EndType;
  namespace: string;
  name: string;
  labels: string[];
  pods: { name: string; ip: string; node: string }[];
  ingress: DirectionState;
  egress: DirectionState;
  /** By bytes, at most 8. */
  peers: Peer[];
  /** Denied connections in the window, to it and from it. */
  denied_in: number;
  denied_out: number;
  bytes: number;
}

/** GET /endpoints?from&to&namespace. */
export interface EndpointList {
  endpoints: Endpoint[];
}

export type HintField =
  | "source_name"
  | "source_namespace"
  | "dest_name"
  | "dest_namespace"
  | "service"
  | "policy_kind"
  | "policy_tier"
  | "policy_namespace"
  | "policy_name";

/** GET /hints?field&text&q&limit&cursor: values in use, ascending. */
export interface Hints {
  items: { value: string }[];
  total: number;
  next_cursor: string | null;
}

/** GET /status. */
export interface Status {
  version: string;
  now: string;
  lag_ms: number;
  flows_per_s: number;
  /** Start of the oldest history kept; null with an empty store. */
  oldest: string | null;
  losses: Loss[];
  nodes: { name: string; last_seen: string }[];
  namespaces: string[];
}

/** GET /session: who asks, and what he may see. */
export interface Session {
  /** What lets somebody in: nothing is needed, the hub's own token, or a token of the cluster. */
  login: "none" | "token" | "kubernetes";
  /** The cluster's name of whoever asks; empty where there is none. */
  user: string;
  all_namespaces: boolean;
  /** Those that may be seen, where it is not all. */
  namespaces: string[];
  /** Whether what policies without namespace say may be read. */
  shared_policies: boolean;
}
