/** Policies: kind, tier, namespace and name, each from hints; several are joined by OR. */
import { useState } from "react";
import { useHints } from "../api/queries";
import type { HintField } from "../api/types";
import { policyWord } from "./Chip";

const PARTS = [
  ["policy_kind", "Kind"],
  ["policy_tier", "Tier"],
  ["policy_namespace", "Namespace"],
  ["policy_name", "Name"],
] as const satisfies readonly (readonly [HintField, string])[];

const NO_POLICY = "Profile///";

function Part({ field, title, value, onChange }: { field: HintField; title: string; value: string; onChange: (value: string) => void }) {
  const hints = useHints({ field, limit: 200 }, true);
  return (
    <label>
      {title}
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">any</option>
        {hints.data?.items.map((one) => <option key={one.value}>{one.value}</option>)}
      </select>
    </label>
  );
}

export function PolicyFilter({ chosen, toggle }: { chosen: readonly string[]; toggle: (value: string) => void }) {
  const [parts, setParts] = useState(["", "", "", ""]);
  const value = parts.join("/");
  const empty = parts.every((part) => !part);
  return (
    <div className="pad stack policy-filter">
      {PARTS.map(([field, title], i) => (
        <Part key={field} field={field} title={title} value={parts[i] ?? ""} onChange={(text) => setParts(parts.map((part, j) => (i === j ? text : part)))} />
      ))}
      <button type="button" className="primary" disabled={empty || chosen.includes(value)} onClick={() => { toggle(value); setParts(["", "", "", ""]); }}>Add</button>
      <label className="tick"><input type="checkbox" checked={chosen.includes(NO_POLICY)} onChange={() => toggle(NO_POLICY)} /> No Policy</label>
      {chosen.filter((one) => one !== NO_POLICY).map((one) => (
        <label key={one} className="tick"><input type="checkbox" checked onChange={() => toggle(one)} /> {policyWord(one)}</label>
      ))}
    </div>
  );
}
