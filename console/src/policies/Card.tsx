/** One policy: whom it selects, how often it decided, and each of its rules with its own count. */
import { alter } from "../address/address";
import type { PolicyCard, RuleCard } from "../api/types";
import { count, counted, short } from "../format/numbers";
import { ago, full, span } from "../format/times";
import { kindWord, policyKey } from "../format/words";
import { Bars, Sparkline } from "../parts/Sparkline";
import { useNow } from "../parts/States";
import { markOf, Shape } from "../parts/Verdict";

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);

/** "Last hit 3 s ago"; where there is none, for how long the policy has been as it is: news only if longer than the window. */
export function LastHit({ card }: { card: PolicyCard }) {
  const now = useNow(5000);
  const { last_hit } = card.hits;
  if (last_hit) return <p className="faint">Last hit <time dateTime={last_hit} title={full(last_hit)}>{ago(last_hit, now)}</time></p>;
  const ageS = (now - Date.parse(card.changed)) / 1000;
  const young = ageS < card.hits.step_s * card.hits.allow.length;
  return <p className={young ? "faint" : "warn-text"} title={`Last changed ${full(card.changed)}`}>{young ? `No hit yet; changed ${span(ageS)} ago` : `No hit in this window; unchanged for ${span(ageS)}`}</p>;
}

const lastHitWord = (rule: RuleCard): string => (rule.last_hit ? `last hit ${full(rule.last_hit)}` : "no hit in this window");

/** `history`: with the rule's own hits over time. */
export function RuleLine({ rule, history = false }: { rule: RuleCard; history?: boolean }) {
  return (
    <li className={rule.hits ? "" : "unused"} title={`${rule.direction} rule, index ${rule.index}. ${count(rule.hits)} hits, ${lastHitWord(rule)}`}>
      <Shape mark={markOf(rule.action)} /> <span className="faint">{rule.direction === "Ingress" ? "in" : "out"} {rule.index + 1}</span> <span className="rule-text">{rule.text}</span>
      {history && <Sparkline values={rule.series} denied={rule.action === "Deny"} width={64} />}
      <span className="number">{short(rule.hits)}<span className="said">, {lastHitWord(rule)}</span></span>
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
  return (
    <article className={`card${card.staged ? " staged" : ""}${open ? " open" : ""}`}>
      <h3>
        <span className="faint" title={card.order === null ? "Kubernetes policies have no order" : `order ${card.order}`}>{place}.</span>
        <button type="button" className="link" onClick={() => alter({ policy: policyKey(card.ref) })}>{card.ref.name}</button>
        {card.staged && <span className="tag staged"><Shape mark="staged" /> staged</span>}
      </h3>
      <p className="faint">{kindWord(card.ref.kind)}{card.ref.namespace ? ` in ${card.ref.namespace}` : ""}{card.order === null ? "" : ` · order ${count(card.order)}`}</p>
      <p title={card.selector}>{card.selects}: <b>{count(card.selected_count)}</b></p>
      {card.hits.last_hit && <><HitBars card={card} height={22} /><Totals card={card} /></>}
      <LastHit card={card} />
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
