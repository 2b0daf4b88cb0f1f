/** Pause and play, rows by connection or by reporter, columns, export; and how many rows there are. */
import { alter } from "../address/address";
import { windowOf, type Scope } from "../address/scope";
import { addressOf } from "../api/client";
import { count } from "../format/numbers";
import { Popover } from "../parts/Popover";
import type { Group } from "./book";
import { ColumnMenu } from "./ColumnMenu";
import type { Layout } from "./layout";
import type { View } from "./useRows";

function Rows({ group }: { group: Group }) {
  const choose = (next: Group) => () => alter({ rows: next === "connection" ? null : next, columns: null, sort: null, open: null });
  return (
    <div className="switch" role="group" aria-label="One row per">
      <button type="button" aria-pressed={group === "connection"} title="One row per connection kind, both ends' verdicts joined" onClick={choose("connection")}>Connections</button>
      <button type="button" aria-pressed={group === "reporter"} title="One row per reporter and interval, as in the classic table" onClick={choose("reporter")}>Per reporter</button>
    </div>
  );
}

function PauseButton({ view }: { view: View }) {
  if (!view.live) return null;
  if (view.stream?.kind === "open" && view.settled && view.rows.length === 0 && !view.paused) return <span className="faint">Waiting for flows</span>;
  return (
    <button type="button" className={view.paused ? "primary" : ""} onClick={() => view.pause(!view.paused)} title="p">
      {view.paused ? "▶ Play" : "❚❚ Pause"}
      {view.paused && view.waiting > 0 ? ` (${count(view.waiting)} new)` : ""}
    </button>
  );
}

const FORMATS = [["jsonl", "JSON lines", "for jq and scripts"], ["csv", "CSV", "for spreadsheets"], ["parquet", "Parquet", "for DuckDB, pandas"]] as const;

function Export({ scope, q }: { scope: Scope; q: string }) {
  const to = (format: string): string => addressOf("export", { ...windowOf(scope.range), q, format });
  return (
    <Popover className="quiet" align="end" name="Export what is shown" label="Export">
      {() => (
        <div className="pad stack export">
          <p className="faint">The flows of this range that meet these filters: one per reporter and 15 seconds.</p>
          <ul className="plain">
            {FORMATS.map(([format, title, use]) => (
              <li key={format}><a href={to(format)} download={`flows.${format}`}>{title} <span className="faint">{use}</span></a></li>
            ))}
          </ul>
        </div>
      )}
    </Popover>
  );
}

export function LiveControls({ view, group, layout, scope, q }: { view: View; group: Group; layout: Layout; scope: Scope; q: string }) {
  const known = view.total !== null && view.total > view.rows.length ? `${count(view.rows.length)} of ${count(view.total)}` : count(view.rows.length);
  return (
    <div className="controls">
      {view.notes.map((note) => <span key={note} className="warn-text">{note}</span>)}
      <span className="faint" aria-live="off" title={view.dropped ? `${count(view.dropped)} older rows were let go` : undefined}>{known} {group === "connection" ? "connection kind" : "flow"}{known === "1" ? "" : "s"}</span>
      {view.more && <button type="button" onClick={view.more}>Show more</button>}
      <PauseButton view={view} />
      <Rows group={group} />
      <ColumnMenu layout={layout} />
      <Export scope={scope} q={q} />
    </div>
  );
}
