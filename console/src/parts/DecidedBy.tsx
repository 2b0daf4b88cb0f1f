/** Who decided a flow: tier › policy › rule. */
import type { Flow } from "../api/types";
import { decidingHit, kindWord, policyOf, ruleWord } from "../format/words";

export function DecidedBy({ flow }: { flow: Flow }) {
  const hit = decidingHit(flow);
  if (!hit) return <span className="faint">unknown</span>;
  const policy = policyOf(hit);
  if (!policy) return <span className="faint" title={`Profile ${hit.name} allows what no policy decided`}>no policy</span>;
  const rule = ruleWord(hit.rule_index);
  return (
    <span className="decided" title={`${policy.tier} › ${kindWord(policy.kind)} ${policy.namespace ? `${policy.namespace}/` : ""}${policy.name} › ${rule} (index ${hit.rule_index})`}>
      <span className="faint shrink">{policy.tier}</span><span className="faint"> › </span><strong>{policy.name}</strong><span className="faint"> › </span>{rule}
    </span>
  );
}
