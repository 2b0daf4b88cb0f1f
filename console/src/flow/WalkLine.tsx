/** The tiers in order as a line of steps; the one that decided stands out, skipped ones are dimmed and say why. */
import type { Walk, WalkTier } from "../api/types";
import { isStaged, plainName, ruleWord } from "../format/words";
import { PolicyLink } from "../parts/Name";
import { ActionMark, markOf, Shape } from "../parts/Verdict";

function Tier({ tier }: { tier: WalkTier }) {
  const step = tier.steps.at(-1);
  if (!step) return <li className="step skipped" title={`${tier.name}: ${tier.why}`}><span className="tier-name">{tier.name}</span><span className="said">: skipped, {tier.why}</span></li>;
  return (
    <li className={`step ${tier.state} ${markOf(step.action)}`} title={tier.why}>
      <span className="tier-name">{tier.name}</span>
      <span className="step-what">
        <Shape mark={markOf(step.action)} /> <PolicyLink policy={step.policy} /> <span className="faint">› {ruleWord(step.rule_index)}</span>
        {isStaged(step.policy.kind) && <span className="tag staged">staged</span>}
      </span>
    </li>
  );
}

/** More skipped tiers in a row than this are one step. */
const MOST_SKIPPED = 2;

function Skipped({ tiers }: { tiers: readonly WalkTier[] }) {
  const why = tiers.map((tier) => `${tier.name}: ${tier.why}`);
  return <li className="step skipped several" title={why.join("\n")}><span className="tier-name">{tiers.length} tiers skipped</span><span className="said">: {why.join("; ")}</span></li>;
}

/** Tiers one by one, but long runs of skipped ones as a list. */
function runsOf(tiers: readonly WalkTier[]): WalkTier[][] {
  const runs: WalkTier[][] = [];
  for (const tier of tiers) {
    const last = runs.at(-1);
    if (last && !tier.steps.length && !last[0]?.steps.length) last.push(tier);
    else runs.push([tier]);
  }
  return runs.flatMap((run) => (run.length > MOST_SKIPPED ? [run] : run.map((tier) => [tier])));
}

export function WalkLine({ walk, side, name, reached = true }: { walk: Walk | null; side: string; name: string; reached?: boolean }) {
  const title = <span className="walk-side">{side} <b>{plainName(name)}</b></span>;
  if (!walk) return <div className="walk">{title}<span className="faint">not judged: {plainName(name)} is no workload of this cluster</span></div>;
  if (!reached) return <div className="walk">{title}<span className="faint">not reached: denied on leaving</span></div>;
  const decided = walk.tiers.some((tier) => tier.state === "decided");
  const shown = walk.tiers.filter((tier, i) => tier.steps.length > 0 || !walk.tiers.slice(0, i).some((other) => other.state === "decided"));
  return (
    <div className="walk">
      {title}
      <ol>
        {runsOf(shown).map((run) => {
          const [first] = run;
          return first && (run.length > 1 ? <Skipped key={first.name} tiers={run} /> : <Tier key={first.name} tier={first} />);
        })}
        {!decided && <li className="step decided allow" title="No policy decided, so the namespace's profile allows"><span className="tier-name">profile</span><span className="step-what"><Shape mark="allow" /> allows all</span></li>}
        <li className="verdict-end"><ActionMark action={walk.verdict} /></li>
      </ol>
    </div>
  );
}
