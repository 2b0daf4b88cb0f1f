/** The records as they arrived, newest first. */
import type { Flow } from "../api/types";
import { count } from "../format/numbers";
import { clock } from "../format/times";
import { REPORTERS } from "../format/words";
import { Loading } from "../parts/States";
import { ActionMark } from "../parts/Verdict";

const COUNTS = ["packets_in", "packets_out", "bytes_in", "bytes_out", "connections_started", "connections_completed", "connections_live"] as const;

export function RawRecords({ records }: { records: readonly Flow[] | undefined }) {
  if (!records) return <Loading what="the records" />;
  if (!records.length) return <p className="faint">No record of this connection kind is kept for this window.</p>;
  return (
    <div className="raw" tabIndex={0} role="region" aria-label="Raw records">
      <table className="grid">
        <thead><tr><th scope="col">start_time</th><th scope="col">end_time</th><th scope="col">reporter</th><th scope="col">action</th><th scope="col">node</th>{COUNTS.map((key) => <th key={key} scope="col" className="number">{key}</th>)}</tr></thead>
        <tbody>
          {records.map((one, i) => (
            <tr key={`${one.id}${one.start_time}${i}`}>
              <td>{clock(one.start_time)}</td><td>{clock(one.end_time)}</td><td>{REPORTERS[one.reporter]}</td><td><ActionMark action={one.action} plain /></td><td>{one.node}</td>
              {COUNTS.map((key) => <td key={key} className="number">{count(one[key])}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
