/** One end of a flow: labels, addresses, nodes. */
import type { EndDetails } from "../api/types";
import { EndName, ScreenLink } from "../parts/Name";

const MOST_PODS = 6;
const TYPES: Record<string, string> = { WorkloadEndpoint: "workload", HostEndpoint: "host", NetworkSet: "network set", Network: "outside" };

export function Who({ title, end }: { title: string; end: EndDetails }) {
  return (
    <section className="who" aria-label={title}>
      <h2>{title}</h2>
      <p>
        <EndName namespace={end.namespace} name={end.name} type={end.type} /> <span className="tag">{TYPES[end.type]}</span>
        {end.type === "WorkloadEndpoint" && <> <ScreenLink screen="endpoints" set={{ endpoint: `${end.namespace}/${end.name}` }}>endpoint</ScreenLink></>}
      </p>
      {end.labels.length > 0 && <p className="labels">{end.labels.map((label) => <code key={label}>{label}</code>)}</p>}
      {end.pods.length > 0 && (
        <table>
          <thead><tr><th scope="col">Pod</th><th scope="col">Address</th><th scope="col">Node</th></tr></thead>
          <tbody>{end.pods.slice(0, MOST_PODS).map((pod) => <tr key={pod.name}><td className="mono">{pod.name}</td><td className="mono">{pod.ip}</td><td>{pod.node}</td></tr>)}</tbody>
        </table>
      )}
      {end.pods.length > MOST_PODS && <p className="faint">and {end.pods.length - MOST_PODS} more</p>}
      {end.addresses.length > 0 && <p className="mono">{end.addresses.join(", ")}</p>}
      {end.dns_names.length > 0 && <p className="mono">{end.dns_names.join(", ")}</p>}
    </section>
  );
}
