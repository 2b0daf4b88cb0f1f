/** A searchable list with ticks: what is ticked stays on top, and what is not known can be added as typed. */
import { useDeferredValue, useEffect, useState } from "react";
import { useAddress } from "../address/address";
import { useHints } from "../api/queries";
import type { HintField } from "../api/types";
import { expressionOf, type Filter, type FilterField } from "./filters";

const PAGE = 20;
const PAUSE_MS = 300;

/** The text, once nobody has typed for a moment. */
export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return useDeferredValue(settled);
}

interface Props {
  field: FilterField & HintField;
  title: string;
  chosen: readonly string[];
  filters: readonly Filter[];
  toggle: (value: string) => void;
  clear: () => void;
}

export function HintList({ field, title, chosen, filters, toggle, clear }: Props) {
  const { params } = useAddress();
  const [text, setText] = useState("");
  const [limit, setLimit] = useState(PAGE);
  const settled = useSettled(text.trim());
  const others = expressionOf(filters.filter((one) => one.field !== field), { namespace: params.get("namespace") ?? "" });
  const hints = useHints({ field, text: settled, q: others, limit }, true);
  const found = (hints.data?.items ?? []).map((one) => one.value).filter((value) => !chosen.includes(value));
  const asked = settled === text.trim() && !hints.isFetching;
  const exact = text.trim() !== "" && !chosen.includes(text.trim()) && !found.includes(text.trim());
  const option = (value: string, ticked: boolean) => (
    <li key={value}>
      <label><input type="checkbox" checked={ticked} onChange={() => toggle(value)} /> <span className="mono">{value}</span></label>
    </li>
  );
  return (
    <div className="hint-list">
      <input type="search" value={text} aria-label={`Search ${title.toLowerCase()}`} placeholder="db-*" spellCheck={false} onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && text.trim()) toggle(found.length === 1 && !text.includes("*") ? (found[0] as string) : text.trim());
        }} />
      <ul className="plain" aria-label={title}>
        {chosen.map((value) => option(value, true))}
        {found.map((value) => option(value, false))}
      </ul>
      {exact && asked && <button type="button" className="add" onClick={() => toggle(text.trim())}>Add "{text.trim()}"{text.includes("*") && <span className="faint"> (* is any text)</span>}</button>}
      {hints.isError && <p className="mistake">Hints cannot be had: {hints.error.message}.</p>}
      {!hints.isError && asked && !found.length && !chosen.length && <p className="faint">None in use{settled ? " like this" : ""}.</p>}
      <div className="foot">
        <span className="faint">{hints.data ? `${Math.min(limit, found.length + chosen.length)} of ${Math.max(hints.data.total, chosen.length)}` : ""}</span>
        {hints.data?.next_cursor && <button type="button" className="quiet" onClick={() => setLimit(limit + PAGE)}>Show more</button>}
        {chosen.length > 0 && <button type="button" className="quiet" onClick={clear}>Clear selection</button>}
      </div>
    </div>
  );
}
