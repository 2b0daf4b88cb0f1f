/** One filter, readable as a part of a sentence: negated by a click on its verb, turned off without being lost. */
import { kindWord, plainName } from "../format/words";
import type { HitKind } from "../api/types";
import type { Filter, FilterField } from "./filters";

const NOUNS: Record<FilterField, string> = {
  source_namespace: "source namespace", source_name: "source", dest_namespace: "dest namespace", dest_name: "destination", service: "service",
  protocol: "protocol", dest_port: "port", reporter: "reporter", action: "action", staged_action: "staged action", policy: "policy",
  source_label: "source label", dest_label: "dest label", source_ip: "source address", dest_ip: "dest address", node: "node",
};

/** A policy value in words: "facts" with its tier, or "none". */
export function policyWord(value: string): string {
  const [kind = "", tier = "", namespace = "", name = ""] = value.split("/");
  if (kind === "Profile") return "none";
  const named = [namespace, name].filter(Boolean).join("/");
  return [named || (kind && kindWord(kind as HitKind)), tier && `in ${tier}`].filter(Boolean).join(" ") || "any";
}

function valueWord(field: FilterField, value: string): string {
  if (field === "policy") return policyWord(value);
  if (field === "reporter") return value === "Src" ? "Source" : "Destination";
  return field.endsWith("_name") && value.endsWith("-*") ? `${plainName(value)}${value.slice(plainName(value).length)}` : value;
}

/** `change` gets the filter's new form, or null when it goes. */
export function Chip({ filter, first, change }: { filter: Filter; first: boolean; change: (next: Filter | null) => void }) {
  const noun = NOUNS[filter.field];
  const words = filter.values.map((value) => valueWord(filter.field, value));
  return (
    <span className={`chip${filter.off ? " off" : ""}${filter.negated ? " negated" : ""}`}>
      {!first && <span className="faint">and</span>}
      <button type="button" className="words" aria-pressed={!filter.off} title={filter.off ? "Turn it on again" : "Turn it off without losing it"} onClick={() => change({ ...filter, off: !filter.off })}>
        {noun}
      </button>
      <button type="button" className="words" title={filter.negated ? "Make it “is”" : "Make it “is not”"} aria-label={`${noun} ${filter.negated ? "is not: change to is" : "is: change to is not"}`} onClick={() => change({ ...filter, negated: !filter.negated })}>
        {filter.negated ? "is not" : "is"}
      </button>
      <b>{words.join(" or ")}</b>
      <button type="button" aria-label={`Remove the filter on ${noun}`} onClick={() => change(null)}>×</button>
    </span>
  );
}
