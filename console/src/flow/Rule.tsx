/** The YAML of the policy that decided, with the deciding lines marked. */
import type { Flow, FlowDetails, WalkStep } from "../api/types";
import { PolicyLink } from "../parts/Name";
import { Yaml } from "../parts/Yaml";

/** The step that ended the walk at the end that reports `flow`; where nothing did, at the other end. */
export function decidingOf(details: FlowDetails, flow: Flow): WalkStep | undefined {
  const walks = flow.reporter === "Src" ? [details.egress, details.ingress] : [details.ingress, details.egress];
  return walks.flatMap((walk) => walk?.tiers.flatMap((tier) => tier.steps) ?? []).find((step) => step.decides);
}

export function Rule({ details, flow }: { details: FlowDetails; flow: Flow }) {
  const step = decidingOf(details, flow);
  return (
    <section className="rule" aria-label="The rule">
      <h2>{step ? <>Decided by <PolicyLink policy={step.policy}>{step.policy.tier}.{step.policy.name}</PolicyLink></> : "Decided by no policy"}</h2>
      {step ? (
        <>
          {step.rule_index < 0 && <p>No rule of it matched; it selects this end, so the tier's end applies.</p>}
          <Yaml text={step.yaml} lines={step.lines} label={`YAML of ${step.policy.name}`} />
        </>
      ) : (
        <p className="faint">No tier decided. What gets through all tiers is allowed by the profiles of the namespaces.</p>
      )}
    </section>
  );
}
