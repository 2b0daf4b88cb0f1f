/** A policy opened: its hits, rules, YAML, whom it selects, and the way to the flows it decided. */
import { count, counted } from "../format/numbers";
import { full } from "../format/times";
import { kindWord, plainName, policyKey } from "../format/words";
import type { PolicyCard } from "../api/types";
import { Aside } from "../parts/Aside";
import { ScreenLink } from "../parts/Name";
import { Shape } from "../parts/Verdict";
import { Yaml } from "../parts/Yaml";
import { HitBars, LastHit, RuleLine, Totals } from "./Card";

export function PolicyPanel({ card, onClose }: { card: PolicyCard; onClose: () => void }) {
  const key = policyKey(card.ref);
  return (
    <Aside label={`Policy ${card.full_name}`} onClose={onClose} title={<>{card.full_name}{card.staged && <span className="tag staged"><Shape mark="staged" /> staged</span>}</>}>
      <p className="faint">{kindWord(card.ref.kind)}{card.ref.namespace ? ` in ${card.ref.namespace}` : ""}, {card.types.join(" and ").toLowerCase()}; last changed <time dateTime={card.changed}>{full(card.changed)}</time></p>
      {card.hits.last_hit && <><HitBars card={card} height={48} /><Totals card={card} /></>}
      <LastHit card={card} />
      <p className="links">
        <ScreenLink screen="flow-logs" set={{ policy: key }}>Flows it had a say in</ScreenLink>
        <ScreenLink screen="flow-logs/denied-flows" set={{ policy: key }}>Denied ones</ScreenLink>
        <ScreenLink screen="map" set={{ policy: key }}>On the map</ScreenLink>
      </p>
      <h3>Rules</h3>
      <ul className="plain rules wide">
        {card.rules.map((rule) => <RuleLine key={rule.direction + rule.index} rule={rule} history />)}
        {!card.rules.length && <li className="faint">None: whatever reaches it goes to the tier's end.</li>}
        {card.end_of_tier > 0 && <li><Shape mark="unknown" /> <span className="rule-text">no rule matched: end of tier</span><span className="number">{count(card.end_of_tier)}</span></li>}
      </ul>
      <h3>Selects {counted(card.selected_count, "workload")} <span className="faint">{card.selects}</span></h3>
      <p className="labels">
        {card.selected.slice(0, 40).map((end) => {
          const [namespace = "", name = ""] = end.split("/");
          return <ScreenLink key={end} screen="endpoints" set={{ endpoint: end }} title={end}>{namespace}/{plainName(name)}</ScreenLink>;
        })}
        {card.selected_count > 40 && <span className="faint">and {count(card.selected_count - 40)} more</span>}
      </p>
      <h3>YAML</h3>
      <Yaml text={card.yaml} label={`YAML of ${card.full_name}`} />
    </Aside>
  );
}
