/**
 * What the hub serves below /api/v1, as the console reads it.
 *
 * This file is the contract, endpoint by endpoint; docs/explanation/console-api.md says in prose what a type cannot.
 * Names are those of the flow API's REST back end (`source_name`, `dest_port`, …) wherever it has one. Rules that hold
 * everywhere: keys are snake_case and always present; lists are never null; times are RFC 3339 in UTC with up to
 * milliseconds; sizes are bytes; a namespace of cluster-scoped things is "-"; names `pub` and `pvt` are shown as
 * PUBLIC NETWORK and PRIVATE NETWORK. A failure is a `Failure` with a fitting status.
 */

export type Action = "Allow" | "Deny" | "Pass";
export type Reporter = "Src" | "Dst";
export type Direction = "Ingress" | "Egress";
export type EndType = "WorkloadEndpoint" | "HostEndpoint" | "NetworkSet" | "Network";

export type HitKind =
  | "CalicoNetworkPolicy"
  | "GlobalNetworkPolicy"
  | "StagedNetworkPolicy"
  | "StagedGlobalNetworkPolicy"
  | "StagedKubernetesNetworkPolicy"
  | "NetworkPolicy"
  | "AdminNetworkPolicy"
  | "BaselineAdminNetworkPolicy"
  | "ClusterNetworkPolicy"
  | "Profile"
  | "EndOfTier";

/** One step of a policy trace, exactly as the course prints it. */
export interface Hit {
  kind: HitKind;
  name: string;
  namespace: string;
  tier: string;
  action: Action | "ActionUnspecified";
  policy_index: number;
  /** Position of the rule in its policy and direction, from 0; -1 at the end of a tier. */
  rule_index: number;
  /** The policy that an end of tier holds responsible. */
  trigger: Hit | null;
}

export interface Policies {
  enforced: Hit[];
  pending: Hit[];
}

/** Bytes per slice of time, oldest first. */
export interface Series {
  from: string;
  step_s: number;
  bytes: number[];
}

/** What one reporter saw of one connection kind: every field of the flow record (model/record.py). */
export interface Flow {
  /** Stable for the same key (ends, service, port, protocol, reporter, action, both traces). */
  id: string;
  /** Stable for the same ends, service, port and protocol: the reporters' flows of one kind share it. */
  connection: string;
  start_time: string;
  end_time: string;
  source_name: string;
  source_namespace: string;
  source_type: EndType;
  source_labels: string[];
  source_ip: string;
  dest_name: string;
  dest_namespace: string;
  dest_type: EndType;
  dest_labels: string[];
  dest_ip: string;
  dest_port: number;
  dest_service_name: string;
  dest_service_namespace: string;
  dest_service_port_name: string;
  dest_service_port: number;
  protocol: string;
  reporter: Reporter;
  action: Action;
  policies: Policies;
  /** In is towards the reporting end, out is away from it. */
  packets_in: number;
  packets_out: number;
  bytes_in: number;
  bytes_out: number;
  connections_started: number;
  connections_completed: number;
  connections_live: number;
  node: string;
  /** Bytes both ways over the window asked for; only in lists and in a stream's backfill, else null. */
  series: Series | null;
}

/** GET /flows?q&from&to&group&limit&cursor: newest first. */
export interface FlowPage {
  items: Flow[];
  /** Flows with group=reporter; distinct connections with group=connection. Before paging. */
  total: number;
  next_cursor: string | null;
  /** Sentences about what the answer lacks ("node b has not reported since 10:31"); empty when complete. */
  notes: string[];
}

/** GET /flows/stream, event `lag`: at least every 5 s. */
export interface Lag {
  now: string;
  /** From a record's interval end to its being sent here; the worst of the last 5 s. */
  lag_ms: number;
  flows_per_s: number;
}

/** GET /flows/stream, event `lost`, and part of Status: what will never be seen. */
export interface Loss {
  node: string;
  records: number;
  since: string;
  /** For people: "the agent's queue was full". */
  reason: string;
}

export interface PolicyRef {
  kind: HitKind;
  namespace: string;
  /** Without the tier's name in front, as in a hit. */
  name: string;
  tier: string;
}

export interface WalkStep {
  policy: PolicyRef;
  /** -1: no rule matched, the end of the tier decided because this policy selects the endpoint. */
  rule_index: number;
  action: Action;
  /** The rule in words: "Deny TCP 80 from anyone". */
  text: string;
  /** This step ended the walk. */
  decides: boolean;
  /** The policy's YAML, and the lines of the rule in it (from 1, both included); 0,0 when unknown. */
  yaml: string;
  lines: [number, number];
}

export interface WalkTier {
  name: string;
  order: number | null;
  /** decided: ended the walk; passed: a rule or the tier's end handed on; skipped: has no say here. */
  state: "decided" | "passed" | "skipped";
  /** Why, for people: "no policy of this tier selects facts". */
  why: string;
  steps: WalkStep[];
}

/** The way of a connection through the tiers at one of its ends. */
export interface Walk {
  direction: Direction;
  namespace: string;
  name: string;
  verdict: Action;
  tiers: WalkTier[];
}

export interface EndDetails {
  type: EndType;
  namespace: string;
  name: string;
  labels: string[];
  pods: { name: string; ip: string; node: string }[];
  /** Addresses seen on flows, for ends without pods. */
  addresses: string[];
  /** Names learnt from DNS answers. */
  dns_names: string[];
}

export interface HistoryPoint {
  time: string;
  bytes_forward: number;
  bytes_back: number;
  packets_forward: number;
  packets_back: number;
  connections: number;
  denied: number;
}

/** GET /flows/{id}?from&to, where id is a flow's or a connection's. */
export interface FlowDetails {
  /** All flows of the connection kind in the window, newest first. */
  flows: Flow[];
  source: EndDetails;
  dest: EndDetails;
  /** With today's policies; null where no policy can apply (the outside, a host without endpoint). */
  egress: Walk | null;
  ingress: Walk | null;
  /** With staged policies taken as enforced; null where that changes nothing. */
  staged_egress: Walk | null;
  staged_ingress: Walk | null;
  step_s: number;
  history: HistoryPoint[];
  /** Records as they arrived, newest first, at most 50. */
  raw: Flow[];
}

/** Body of every answer that is not 2xx. */
export interface Failure {
  error: string;
  /** Where in `q` the mistake is, from 1; absent when it is not in `q`. */
  column?: number;
}

export type * from "./views";
