/** A flow in the shape that the course prints: the keys of the flow API's REST back end, in its order, then ours. */
import type { Flow } from "../api/types";

export function courseFlow(flow: Flow): Record<string, unknown> {
  const { start_time, end_time, action, source_name, source_namespace, source_labels, dest_name, dest_namespace, dest_labels, protocol, dest_port, reporter, policies,
    packets_in, packets_out, bytes_in, bytes_out, series: _series, id: _id, connection: _connection, ...ours } = flow;
  return {
    start_time, end_time, action, source_name, source_namespace, source_labels: source_labels.join(" | "), dest_name, dest_namespace,
    dest_labels: dest_labels.join(" | "), protocol, dest_port, reporter, policies: { enforced: policies.enforced, pending: policies.pending },
    packets_in, packets_out, bytes_in, bytes_out, ...ours,
  };
}

/** The `policies` of the course's step 3.10, on one line. */
export function policiesText(flow: Flow): string {
  return JSON.stringify({ enforced: flow.policies.enforced, pending: flow.policies.pending });
}
