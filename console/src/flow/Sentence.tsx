/** What happened, in one sentence: who denied what at which rule, how often, since when. */
import type { Flow, FlowDetails, Hit, Walk, WalkStep } from "../api/types";
import type { Row } from "../flows/merge";
import { counted } from "../format/numbers";
import { clock } from "../format/times";
import { decidingHit, kindWord, plainName, policyOf } from "../format/words";
import { PolicyLink } from "../parts/Name";
import { Shape } from "../parts/Verdict";

function decidingStep(walk: Walk | null | undefined, hit: Hit): WalkStep | undefined {
  const policy = policyOf(hit);
  const steps = walk?.tiers.flatMap((tier) => tier.steps) ?? [];
  return steps.find((step) => step.policy.name === policy?.name && step.policy.kind === policy.kind && step.rule_index === hit.rule_index);
}

function By({ hit, walk, alone }: { hit: Hit; walk: Walk | null | undefined; alone: boolean }) {
  const policy = policyOf(hit);
  if (!policy) return <> {alone ? "no policy selects this end" : "every tier passed it on"}, so its namespace's profile allows it</>;
  const named = <><PolicyLink policy={policy}>{policy.name}</PolicyLink> in tier <b>{policy.tier}</b></>;
  if (hit.rule_index < 0) return <> no rule matched, and the end of tier <b>{policy.tier}</b> denies because {kindWord(policy.kind)} <PolicyLink policy={policy} /> selects this end</>;
  const text = decidingStep(walk, hit)?.text;
  return <> rule {hit.rule_index + 1} <span className="faint">[{hit.rule_index}]</span>{text ? ` (${text})` : ""} of {kindWord(policy.kind)} {named}</>;
}

/** What the flow that speaks for the row counted: earlier verdicts have counts of their own. */
function begunWord({ action, connections_started: begun }: Flow): string {
  if (action === "Deny") return counted(begun, "attempt");
  return begun ? counted(begun, "connection") : "No new connection, only such as were open before,";
}

export function Sentence({ row, details }: { row: Row; details: FlowDetails | undefined }) {
  const { flow } = row;
  const hit = decidingHit(flow);
  const leaving = flow.reporter === "Src";
  const where = plainName(leaving ? flow.source_name : flow.dest_name);
  const walk = leaving ? details?.egress : details?.ingress;
  const denied = flow.action === "Deny";
  return (
    <p className="sentence">
      <Shape mark={denied ? "deny" : "allow"} />
      <span>
        {denied ? "Denied" : "Allowed"} on {leaving ? "leaving" : "arrival at"} <b>{where}</b>:{hit ? <By hit={hit} walk={walk} alone={flow.policies.enforced.length === 1} /> : " nobody said by whom"}.
        {" "}{begunWord(flow)} since {clock(flow.start_time)}.
        {row.staged && <span className="staged-note"><Shape mark="staged" /> With staged policies enforced and today's policies, a new connection would be {row.staged === "Deny" ? "denied" : "allowed"}.</span>}
      </span>
    </p>
  );
}
