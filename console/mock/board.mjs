/** The board of policies and the list of endpoints, both with what the flows say about them. */
import { connections, counts, iso } from "./traffic.mjs";
import { refOf, selects } from "./judge.mjs";

const SLICES = 30;
const isFor = (policy, ref) => ref && policy.kind === ref.kind && policy.name === ref.name && policy.namespace === ref.namespace;

/** Hits of one entry that concern a policy: of the enforced trace, or for a staged policy of the pending one. */
function hitsOn(policy, flow) {
  const trace = policy.staged ? flow.policies.pending : flow.policies.enforced;
  return trace.filter((hit) => isFor(policy, hit) || isFor(policy, hit.trigger));
}

function card(hub, policy, from, to) {
  const step = Math.max(1, Math.floor((to - from) / SLICES));
  const hits = { step_s: step, allow: Array(SLICES).fill(0), deny: Array(SLICES).fill(0), pass: Array(SLICES).fill(0), last_hit: null };
  const rules = policy.rules.map(({ direction, index, action, text, lines }) => ({ direction, index, action, text, hits: 0, series: Array(SLICES).fill(0), last_hit: null, lines }));
  let endOfTier = 0;
  for (const { flow, link } of hub.entries) {
    for (const hit of hitsOn(policy, flow)) {
      const direction = flow.reporter === "Src" ? "Egress" : "Ingress";
      const total = connections(link, from, to);
      const rule = rules.find((one) => one.direction === direction && one.index === hit.rule_index);
      if (rule && hit.rule_index >= 0) {
        rule.hits += total;
        for (let i = 0; i < SLICES; i += 1) rule.series[i] += connections(link, from + i * step, from + (i + 1) * step);
        if (total) rule.last_hit = iso(to - 2);
      } else endOfTier += total;
      for (let i = 0; i < SLICES; i += 1) hits[hit.action.toLowerCase()][i] += connections(link, from + i * step, from + (i + 1) * step);
      if (total) hits.last_hit = iso(to - 2);
    }
  }
  const selected = hub.world.workloads.filter((end) => selects(policy, end)).map((end) => `${end.namespace}/${end.name}`).sort();
  return { ref: refOf(policy), full_name: policy.full_name, staged: policy.staged, order: policy.kind === "NetworkPolicy" ? null : policy.order, types: policy.types,
    selector: policy.selector, selects: policy.selects, selected: selected.slice(0, 200), selected_count: selected.length, rules, hits,
    end_of_tier: endOfTier, changed: iso(hub.started - 3 * 86400), yaml: policy.yaml };
}

export function board(hub, { from, to }) {
  const total = (test) => hub.entries.filter(({ flow }) => test(flow)).reduce((sum, { link }) => sum + connections(link, from, to), 0);
  return {
    tiers: hub.rules.tiers.map((tier) => ({
      ...tier, policies: hub.rules.policies.filter((one) => one.tier === tier.name).map((one) => card(hub, one, from, to)),
      rest: total((flow) => flow.policies.enforced.some((hit) => hit.kind === "EndOfTier" && hit.tier === tier.name)),
    })),
    unjudged: total((flow) => flow.policies.enforced.length === 1 && flow.policies.enforced[0].kind === "Profile"),
  };
}

function direction(hub, end, type) {
  const chosen = hub.rules.policies.filter((one) => one.types.includes(type) && selects(one, end));
  const tierOrder = new Map(hub.rules.tiers.map((tier, i) => [tier.name, i]));
  chosen.sort((a, b) => tierOrder.get(a.tier) - tierOrder.get(b.tier));
  const policies = chosen.filter((one) => !one.staged).map(refOf);
  return { isolated: policies.length > 0, policies, staged: chosen.filter((one) => one.staged).map(refOf) };
}

function endpoint(hub, end, links, from, to) {
  const peers = [];
  const sums = { denied_in: 0, denied_out: 0, bytes: 0 };
  for (const entry of links) {
    const incoming = entry.link.dest === end;
    const peer = incoming ? entry.link.source : entry.link.dest;
    const begun = connections(entry.link, from, to);
    const one = counts(entry, begun);
    const bytes = one.bytes_in + one.bytes_out;
    sums.bytes += bytes;
    if (entry.denied) sums[incoming ? "denied_in" : "denied_out"] += begun;
    peers.push({ namespace: peer.namespace, name: peer.name, direction: incoming ? "Ingress" : "Egress", port: entry.link.port, protocol: entry.link.protocol,
      bytes, connections: entry.denied ? 0 : begun, denied: entry.denied ? begun : 0 });
  }
  peers.sort((a, b) => b.bytes - a.bytes);
  return { type: end.type, namespace: end.namespace, name: end.name, labels: end.labels, pods: end.pods,
    ingress: direction(hub, end, "Ingress"), egress: direction(hub, end, "Egress"), peers: peers.slice(0, 8), ...sums };
}

export function endpoints(hub, { from, to, namespace }) {
  const one = new Map();
  for (const entry of hub.entries) one.set(entry.link.id, entry);
  const byEnd = new Map();
  for (const entry of one.values()) for (const end of [entry.link.source, entry.link.dest]) byEnd.set(end, [...(byEnd.get(end) ?? []), entry]);
  const ends = hub.world.workloads.filter((end) => !namespace || end.namespace === namespace);
  return { endpoints: ends.map((end) => endpoint(hub, end, byEnd.get(end) ?? [], from, to)) };
}
