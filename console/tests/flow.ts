/** A flow to vary in tests: worker to facts, denied on arrival. */
import type { Flow, Hit } from "../src/api/types";

export function hit(part: Partial<Hit> = {}): Hit {
  return { kind: "CalicoNetworkPolicy", name: "facts", namespace: "catfacts", tier: "application-catfacts", action: "Deny", policy_index: 0, rule_index: 0, trigger: null, ...part };
}

export function flow(part: Partial<Flow> = {}): Flow {
  return {
    id: "f1", connection: "c1", start_time: "2026-11-25T10:31:00.000Z", end_time: "2026-11-25T10:31:01.000Z",
    source_name: "worker-75467c56d6-*", source_namespace: "catfacts", source_type: "WorkloadEndpoint", source_labels: ["app=worker"], source_ip: "10.65.0.2",
    dest_name: "facts-7c9d8f5b64-*", dest_namespace: "catfacts", dest_type: "WorkloadEndpoint", dest_labels: ["app=facts"], dest_ip: "10.65.0.3",
    dest_port: 80, dest_service_name: "facts", dest_service_namespace: "catfacts", dest_service_port_name: "http", dest_service_port: 80,
    protocol: "tcp", reporter: "Dst", action: "Deny", policies: { enforced: [hit()], pending: [hit()] },
    packets_in: 3, packets_out: 0, bytes_in: 180, bytes_out: 0, connections_started: 1, connections_completed: 0, connections_live: 0, node: "a", series: null, ...part,
  };
}
