/** One tier: its policies in order, and at its foot what happens to what they select but no rule matches. */
import type { TierColumn } from "../api/types";
import { count, short } from "../format/numbers";
import { policyKey } from "../format/words";
import { ActionMark } from "../parts/Verdict";
import { Card } from "./Card";

export function Tier({ tier, place, opened }: { tier: TierColumn; place: number; opened: string }) {
  if (!tier.policies.length && tier.builtin) {
    return (
      <section className="tier narrow" aria-label={`Tier ${tier.name}, empty`} title={`${tier.name}, order ${tier.order ?? "none"}: no policies; at its end ${tier.default_action}`}>
        <h2>{tier.name}</h2>
        <span className="faint vertical">no policies</span>
      </section>
    );
  }
  return (
    <section className="tier" aria-label={`Tier ${tier.name}`}>
      <header>
        <h2><span className="place-number">{place}</span> {tier.name}</h2>
        <span className="faint">order {tier.order === null ? "none" : count(tier.order)}{tier.builtin ? " · built in" : ""}</span>
      </header>
      <ol className="cards">
        {tier.policies.map((card, i) => <li key={policyKey(card.ref)}><Card card={card} place={i + 1} open={policyKey(card.ref) === opened} /></li>)}
        {!tier.policies.length && <li className="faint pad">No policies here.</li>}
      </ol>
      <footer title="Connections of selected workloads that no rule of this tier matched">
        <span className="faint">the rest</span> <ActionMark action={tier.default_action} plain />
        <span className="faint">{tier.rest > 0 ? `${short(tier.rest)} connections` : "none yet"}</span>
      </footer>
    </section>
  );
}
