/** How much: history over the window, and bytes, packets and connections each way. */
import type { Flow, FlowDetails } from "../api/types";
import type { Row } from "../flows/merge";
import { bytes, count, counted } from "../format/numbers";
import { clock } from "../format/times";
import { Bars } from "../parts/Sparkline";

/** How old the newest record of a flow may be that still tells of now. */
const NOW_MS = 30_000;

/** Connections that are open, as the end with more of them says in its newest records. */
function openNow(raw: readonly Flow[]): number {
  const newest = new Map<string, Flow>();
  for (const record of raw) if (!newest.has(record.id)) newest.set(record.id, record);
  const latest = Math.max(0, ...raw.map((record) => Date.parse(record.end_time)));
  const open = { Src: 0, Dst: 0 };
  for (const record of newest.values()) if (Date.parse(record.end_time) > latest - NOW_MS) open[record.reporter] += record.connections_live;
  return Math.max(open.Src, open.Dst);
}

export function Amounts({ row, details }: { row: Row; details: FlowDetails }) {
  const { history } = details;
  const sum = (key: "bytes_forward" | "bytes_back" | "packets_forward" | "packets_back"): number => history.reduce((all, point) => all + point[key], 0);
  const denied = history.map((point) => point.denied);
  const allowed = history.map((point) => point.connections - point.denied);
  const titles = history.map((point) => `${clock(point.time)}: ${count(point.connections)} connections, ${count(point.denied)} of them denied, ${bytes(point.bytes_forward + point.bytes_back)}`);
  const line = (title: string, forward: number, back: number, show: (value: number) => string) => (
    <tr><th scope="row">{title}</th><td title={count(forward)}>{show(forward)}</td><td title={count(back)}>{show(back)}</td></tr>
  );
  return (
    <section className="amounts" aria-label="How much">
      <h2>Connections over time</h2>
      <Bars label={`Connections from ${clock(history[0]?.time ?? 0)} to now`} width={300} height={56} titles={titles} stacks={[{ name: "denied", mark: "deny", values: denied }, { name: "allowed", mark: "allow", values: allowed }]} />
      <div className="axis"><span>{history[0] && clock(history[0].time)}</span><span>{history.at(-1) && clock(history.at(-1)?.time ?? 0)}</span></div>
      <table className="numbers">
        <thead><tr><td /><th scope="col">There</th><th scope="col">Back</th></tr></thead>
        <tbody>
          {line("Bytes", sum("bytes_forward"), sum("bytes_back"), bytes)}
          {line("Packets", sum("packets_forward"), sum("packets_back"), count)}
        </tbody>
      </table>
      <p className="faint">{counted(row.connections, "connection")} begun or tried, {count(openNow(details.raw))} open now</p>
    </section>
  );
}
