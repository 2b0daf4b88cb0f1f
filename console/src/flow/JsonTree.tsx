/** A folding tree of the flow as JSON. Folded lists of hits are shown on one line, as the course prints them. */
import { useState } from "react";
import { Copy } from "../parts/Copy";

function scalar(value: unknown) {
  const kind = value === null ? "null" : typeof value;
  return <span className={`json-${kind}`}>{JSON.stringify(value)}</span>;
}

function Branch({ name, value, depth, last }: { name: string | null; value: object; depth: number; last: boolean }) {
  const [open, setOpen] = useState(depth < 2);
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  const [begin, end] = list ? ["[", "]"] : ["{", "}"];
  return (
    <li>
      <button type="button" className={open ? "fold open" : "fold"} aria-expanded={open} aria-label={`${open ? "Fold" : "Unfold"} ${name ?? "the flow"}`} onClick={() => setOpen(!open)} />
      {name !== null && <><span className="json-key">{JSON.stringify(name)}</span>: </>}
      {open && entries.length > 0 ? (
        <>
          {begin}
          <ul>{entries.map(([key, one], i) => <Node key={key} name={list ? null : key} value={one} depth={depth + 1} last={i === entries.length - 1} />)}</ul>
          {end}
        </>
      ) : <span className="json-folded">{JSON.stringify(value)}</span>}
      {last ? "" : ","}
    </li>
  );
}

function Node({ name, value, depth, last }: { name: string | null; value: unknown; depth: number; last: boolean }) {
  if (typeof value === "object" && value !== null) return <Branch name={name} value={value} depth={depth} last={last} />;
  return (
    <li>
      {name !== null && <><span className="json-key">{JSON.stringify(name)}</span>: </>}
      {scalar(value)}
      {last ? "" : ","}
    </li>
  );
}

/** `policies`: the flow's policies on one line, as the course prints them. */
export function JsonTree({ value, policies }: { value: object; policies: string }) {
  return (
    <div className="json" tabIndex={0} role="region" aria-label="The flow as JSON">
      <div className="copies">
        <Copy text={policies} what="the policies, on one line">Copy policies</Copy>
        <Copy text={JSON.stringify(value, null, 2)} what="the whole flow">Copy all</Copy>
      </div>
      <ul><Node name={null} value={value} depth={0} last /></ul>
    </div>
  );
}
