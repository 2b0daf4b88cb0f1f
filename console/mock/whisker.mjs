/** The flow API's REST back end, as the spec's §7 has it, so that what the console's own paths say can be compared. */
import { listed } from "./flows.mjs";

const TYPES = { DestName: "dest_name", SourceName: "source_name", DestNamespace: "dest_namespace", SourceNamespace: "source_namespace",
  PolicyTier: "policy_tier", PolicyName: "policy_name", PolicyKind: "policy_kind", PolicyNamespace: "policy_namespace" };
const NAMES = { source_names: "source_name", source_namespaces: "source_namespace", dest_names: "dest_name", dest_namespaces: "dest_namespace", protocols: "protocol" };

/** The `filters` parameter → clauses. */
export function clausesOf(text) {
  const filters = JSON.parse(decodeURIComponent(text || "{}"));
  const clauses = [];
  const add = (field, operator, values) => values.length && clauses.push({ field, operator, values, negated: false });
  for (const [key, field] of Object.entries(NAMES)) {
    const matches = filters[key] ?? [];
    add(field, matches.some((one) => one.type === "Fuzzy") ? "~" : "=", matches.map((one) => one.value));
  }
  add("port", "=", (filters.dest_ports ?? []).map((one) => String(one.value)));
  add("action", "=", filters.actions ?? []);
  add("staged_action", "=", filters.pending_actions ?? []);
  if (filters.reporter) add("reporter", "=", [filters.reporter]);
  add("policy", "=", (filters.policies ?? []).map((one) => [one.kind, one.tier?.value, one.namespace?.value, one.name?.value].map((part) => part ?? "").join("/")));
  return clauses;
}

const KEYS = ["start_time", "end_time", "action", "source_name", "source_namespace", "source_labels", "dest_name", "dest_namespace", "dest_labels",
  "protocol", "dest_port", "reporter", "policies", "packets_in", "packets_out", "bytes_in", "bytes_out"];

export function whiskerFlow(flow) {
  const plain = Object.fromEntries(KEYS.map((key) => [key, flow[key]]));
  const whole = (time) => `${time.slice(0, 19)}Z`;
  return { ...plain, start_time: whole(flow.start_time), end_time: whole(flow.end_time), source_labels: flow.source_labels.join(" | "), dest_labels: flow.dest_labels.join(" | ") };
}

export function whiskerList(hub, clauses, from, to) {
  const items = listed(hub, { clauses, from, to, group: "reporter" }).map(whiskerFlow);
  return { total: { totalPages: items.length ? 1 : 0, totalResults: items.length }, items };
}

export function hintField(type) {
  return TYPES[type];
}
