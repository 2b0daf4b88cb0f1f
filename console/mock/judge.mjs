/** Walks a link through the tiers at one end, as the engine would: tier by tier, policy by policy, rule by rule. */

function selects(policy, end) {
  return (!policy.namespace || policy.namespace === end.namespace) && (!policy.select.app || policy.select.app === end.app);
}

function matches(rule, policy, link, peer) {
  if (rule.protocol && rule.protocol !== link.protocol) return false;
  if (rule.ports && !rule.ports.includes(link.port)) return false;
  if (rule.nets) return false;
  if (!rule.apps) return true;
  const near = rule.anywhere || !policy.namespace || peer.namespace === policy.namespace;
  return peer.type !== "Network" && near && (!rule.apps.length || rule.apps.includes(peer.app));
}

export const refOf = (policy) => ({ kind: policy.kind, namespace: policy.namespace, name: policy.name, tier: policy.tier });

function hit(ref, action, index, rule, trigger = null) {
  return { kind: ref.kind, name: ref.name, namespace: ref.namespace, tier: ref.tier, action, policy_index: index, rule_index: rule, trigger };
}

function endOfTier(tier, policy, index) {
  const trigger = hit(refOf(policy), "ActionUnspecified", 0, 0);
  return hit({ kind: "EndOfTier", name: "", namespace: "", tier: tier.name }, tier.default_action, index, -1, trigger);
}

function step(policy, rule, action) {
  return {
    policy: refOf(policy), rule_index: rule?.index ?? -1, action, decides: action !== "Pass",
    text: rule?.text ?? `no rule matched: the tier's end applies, ${action}`, yaml: policy.yaml, lines: rule?.lines ?? [0, 0],
  };
}

/** One tier: what it did, the hit it left (or null), and whether the walk is over. */
function judgeTier(tier, candidates, link, end, peer, direction, index) {
  const state = { name: tier.name, order: tier.order, state: "skipped", why: `no policy of this tier selects ${end.app} for ${direction.toLowerCase()}`, steps: [] };
  if (!candidates.length) return { state, found: null, verdict: null };
  for (const policy of candidates) {
    const rule = policy.rules.find((one) => one.direction === direction && matches(one, policy, link, peer));
    if (!rule) continue;
    const verdict = rule.action === "Pass" ? null : rule.action;
    const done = { ...state, state: verdict ? "decided" : "passed", why: verdict ? `a rule of ${policy.name} matched` : `a rule of ${policy.name} passes it on`, steps: [step(policy, rule, rule.action)] };
    return { state: done, found: hit(refOf(policy), rule.action, index, rule.index), verdict };
  }
  const last = candidates.at(-1);
  const verdict = tier.default_action === "Deny" ? "Deny" : null;
  const why = `${candidates.length === 1 ? "1 policy selects" : `${candidates.length} policies select`} ${end.app}, none of its rules matched: the tier's end says ${tier.default_action}`;
  return { state: { ...state, state: verdict ? "decided" : "passed", why, steps: [step(last, null, tier.default_action)] }, found: endOfTier(tier, last, index), verdict };
}

/** The walk and the hits at one end; null where the end is no workload. `staged` takes staged policies as enforced. */
export function walk(rules, link, direction, staged) {
  const [end, peer] = direction === "Egress" ? [link.source, link.dest] : [link.dest, link.source];
  if (end.type !== "WorkloadEndpoint") return null;
  const tiers = [];
  const hits = [];
  let verdict = null;
  for (const tier of rules.tiers) {
    if (verdict) {
      tiers.push({ name: tier.name, order: tier.order, state: "skipped", why: "decided before", steps: [] });
      continue;
    }
    const candidates = rules.policies.filter((one) => one.tier === tier.name && (staged || !one.staged) && one.types.includes(direction) && selects(one, end));
    const judged = judgeTier(tier, candidates, link, end, peer, direction, hits.length);
    tiers.push(judged.state);
    if (judged.found) hits.push(judged.found);
    verdict = judged.verdict;
  }
  if (!verdict) {
    hits.push(hit({ kind: "Profile", name: `kns.${end.namespace}`, namespace: "", tier: "" }, "Allow", hits.length, 0));
    verdict = "Allow";
  }
  return { walk: { direction, namespace: end.namespace, name: end.name, verdict, tiers }, hits, verdict };
}

/** Whether a policy selects a workload. */
export { selects };
