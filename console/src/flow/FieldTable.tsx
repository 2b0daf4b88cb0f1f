/** Every field of the flow, one per line; the policies as two tables. */
import { useState } from "react";
import type { Flow, Hit } from "../api/types";
import { REPORTERS } from "../format/words";
import { ActionMark } from "../parts/Verdict";
import { courseFlow } from "./shape";

const COLUMNS = ["Kind", "Namespace", "Policy Name", "Tier", "Action", "Policy Index", "Rule Index", "Triggered By"];

/** As the original shows a hit: a profile is the end of tier default, and ends of tiers have no indexes. */
function shown(hit: Hit): (string | number)[] {
  const profile = hit.kind === "Profile";
  const end = profile || hit.kind === "EndOfTier";
  return [profile ? "EndOfTier" : hit.kind, hit.namespace, profile ? "" : hit.name, profile ? "default" : hit.tier, hit.action, end ? "" : hit.policy_index, end ? "" : hit.rule_index];
}

function Trigger({ trigger }: { trigger: Hit }) {
  const [open, setOpen] = useState(false);
  const name = `${trigger.namespace ? `${trigger.namespace}/` : ""}${trigger.name}`;
  return <button type="button" className="link" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? `${trigger.kind}/${name}` : trigger.name}</button>;
}

export function HitTable({ title, hits, hint }: { title: string; hits: readonly Hit[]; hint?: string }) {
  return (
    <div>
      <h2 title={hint}>{title}</h2>
      {hits.length === 0 ? <p className="faint">none</p> : (
        <table className="grid" aria-label={title}>
          <thead><tr>{COLUMNS.map((name) => <th key={name} scope="col">{name}</th>)}</tr></thead>
          <tbody>
            {hits.map((hit) => (
              <tr key={hit.policy_index}>
                {shown(hit).map((value, i) => <td key={COLUMNS[i]}>{i === 4 ? <ActionMark action={String(value)} plain /> : value}</td>)}
                <td>{hit.trigger ? <Trigger trigger={hit.trigger} /> : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

function valueOf(key: string, value: unknown) {
  if (key === "reporter") return REPORTERS[value as Flow["reporter"]];
  if (key === "action") return <ActionMark action={String(value)} plain />;
  return String(value) || "-";
}

export function FieldTable({ flow }: { flow: Flow }) {
  return (
    <dl className="fields">
      {Object.entries(courseFlow(flow)).map(([key, value]) => (
        <div key={key} className={key === "policies" ? "wide" : undefined}>
          <dt>{key}</dt>
          <dd>
            {key === "policies" ? (
              <>
                <HitTable title="Enforced" hits={flow.policies.enforced} />
                <HitTable title="Pending" hits={flow.policies.pending} hint="What would apply to a new connection now, if staged policies were enforced" />
              </>
            ) : valueOf(key, value)}
          </dd>
        </div>
      ))}
    </dl>
  );
}
