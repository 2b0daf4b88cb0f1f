/** One policy: whom it selects, how often it decided, and each of its rules with its own count. */
import { alter } from "../address/address";
import type { PolicyCard, RuleCard } from "../api/types";
import { count, counted, short } from "../format/numbers";
import { span } from "../format/times";
import { kindWord, policyKey } from "../format/words";
import { Bars } from "../parts/Sparkline";
import { useNow } from "../parts/States";
import { markOf, Shape } from "../parts/Verdict";

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);

/** "unused for 3 d": since its last hit, or since it was changed. */
export function useUnused(card: PolicyCard): string | null {
  const now = useNow(30_000);
  if (card.hits.last_hit) return null;
  return `no hit here; unchanged for ${span((now - Date.parse(card.changed)) / 1000)}`;
}

export function RuleLine({ rule }: { rule: RuleCard }) {
  return (
    <li className={rule.hits ? "" : "unused"} title={`${rule.direction} rule, index ${rule.index}. ${count(rule.hits)} hits`}>
      <Shape mark={markOf(rule.action)} /> <span className="faint">{rule.direction === "Ingress" ? "in" : "out"} {rule.index + 1}</span> <span className="rule-text">{rule.text}</span>
      <span className="number">{short(rule.hits)}</span>
    </li>
  );
}

export function HitBars({ card, height }: { card: PolicyCard; height: number }) {
  const { allow, deny, pass } = card.hits;
  return (
    <Bars width={240} height={height} label={`Hits of ${card.ref.name}: ${count(sum(allow))} allowed, ${count(sum(deny))} denied`}
      stacks={[{ name: "deny", mark: "deny", values: deny }, { name: "allow", mark: "allow", values: allow }, { name: "pass", mark: "pass", values: pass }]} />
  );
}

export function Totals({ card }: { card: PolicyCard }) {
  const totals = [["allow", sum(card.hits.allow)], ["deny", sum(card.hits.deny)], ["pass", sum(card.hits.pass)]] as const;
  const words = { allow: "allowed", deny: card.staged ? "would be denied" : "denied", pass: "passed" };
  return <span className="totals">{totals.filter(([, total]) => total > 0).map(([mark, total]) => <span key={mark} className={`verdict ${mark}`} title={count(total)}><Shape mark={mark} /> {short(total)} {words[mark]}</span>)}</span>;
}

export function Card({ card, place, open }: { card: PolicyCard; place: number; open: boolean }) {
  const unused = useUnused(card);
  return (
    <article className={`card${card.staged ? " staged" : ""}${open ? " open" : ""}`}>
      <h3>
        <span className="faint" title={card.order === null ? "Kubernetes policies have no order" : `order ${card.order}`}>{place}.</span>
        <button type="button" className="link" onClick={() => alter({ policy: policyKey(card.ref) })}>{card.ref.name}</button>
        {card.staged && <span className="tag staged"><Shape mark="staged" /> staged</span>}
      </h3>
      <p className="faint">{kindWord(card.ref.kind)}{card.ref.namespace ? ` in ${card.ref.namespace}` : ""}{card.order === null ? "" : ` · order ${count(card.order)}`}</p>
      <p title={card.selector}>{card.selects}: <b>{count(card.selected_count)}</b></p>
      {unused ? <p className="warn-text">{unused}</p> : <><HitBars card={card} height={22} /><Totals card={card} /></>}
      <details>
        <summary>{card.rules.length ? counted(card.rules.length, "rule") : "no rules: all goes to the tier's end"}</summary>
        <ul className="plain rules">
          {card.rules.map((rule) => <RuleLine key={rule.direction + rule.index} rule={rule} />)}
          {card.end_of_tier > 0 && <li title="No rule matched, and the tier's end decided"><Shape mark="unknown" /> <span className="rule-text">end of tier</span><span className="number">{short(card.end_of_tier)}</span></li>}
        </ul>
      </details>
    </article>
  );
}
