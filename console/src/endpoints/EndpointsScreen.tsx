/** Workloads by namespace: who is isolated in which direction, who is denied, and what they talk to. */
import { alter, useAddress } from "../address/address";
import type { Scope } from "../address/scope";
import { useEndpoints } from "../api/queries";
import type { DirectionState, Endpoint } from "../api/types";
import { bytes, count, counted } from "../format/numbers";
import { EndName } from "../parts/Name";
import { Failed, Loading, Notice } from "../parts/States";
import { Shape } from "../parts/Verdict";
import { EndpointPanel } from "./EndpointPanel";

/** "2 policies in 2 tiers", or "open". */
export function isolationWord(state: DirectionState): string {
  if (!state.isolated) return "open";
  const tiers = new Set(state.policies.map((policy) => policy.tier)).size;
  return `${counted(state.policies.length, "policy", "policies")} in ${counted(tiers, "tier")}`;
}

function Isolation({ state }: { state: DirectionState }) {
  return (
    <>
      <span className={state.isolated ? "" : "faint"}>{isolationWord(state)}</span>
      {state.staged.length > 0 && <span className="tag staged"><Shape mark="staged" /> {state.staged.length} staged</span>}
    </>
  );
}

function Denied({ value }: { value: number }) {
  return value ? <span className="verdict deny"><Shape mark="deny" /> {count(value)}</span> : <span className="faint">0</span>;
}

export const endpointKey = (end: Endpoint): string => `${end.namespace}/${end.name}`;

function Rows({ namespace, ends, wanted }: { namespace: string; ends: readonly Endpoint[]; wanted: string }) {
  return (
    <tbody>
      <tr className="group"><th colSpan={7} scope="rowgroup">{namespace} <span className="faint">{counted(ends.length, "workload")}</span></th></tr>
      {ends.map((end) => (
        <tr key={endpointKey(end)} className={endpointKey(end) === wanted ? "open" : ""} onClick={() => alter({ endpoint: endpointKey(end) })}>
          <td><button type="button" className="link" onClick={() => alter({ endpoint: endpointKey(end) })}><EndName namespace="-" name={end.name} /></button></td>
          <td className="number">{end.pods.length}</td>
          <td><Isolation state={end.ingress} /></td>
          <td><Isolation state={end.egress} /></td>
          <td className="number"><Denied value={end.denied_in} /></td>
          <td className="number"><Denied value={end.denied_out} /></td>
          <td className="number" title={count(end.bytes)}>{bytes(end.bytes)}</td>
        </tr>
      ))}
    </tbody>
  );
}

export function EndpointsScreen({ scope }: { scope: Scope }) {
  const { params } = useAddress();
  const query = useEndpoints(scope.range, scope.namespace);
  if (query.error && !query.data) return <Failed what="Endpoints" error={query.error} again={() => void query.refetch()} />;
  if (!query.data) return <Loading what="the endpoints" />;
  const text = params.get("q") ?? "";
  const ends = query.data.endpoints.filter((end) => !text || `${endpointKey(end)} ${end.labels.join(" ")}`.includes(text));
  const wanted = params.get("endpoint") ?? "";
  const open = ends.find((end) => endpointKey(end) === wanted);
  const namespaces = [...new Set(ends.map((end) => end.namespace))].sort();
  const unguarded = ends.filter((end) => !end.ingress.isolated && !end.egress.isolated).length;
  return (
    <section className="screen endpoints" aria-label="Endpoints">
      <div className="screen-head">
        <h1>Endpoints</h1>
        <p className="summary"><b>{counted(ends.length, "workload")}</b> in {counted(namespaces.length, "namespace")}{unguarded > 0 && <> · <span className="warn-text">{count(unguarded)} open in both directions</span></>}</p>
      </div>
      <div className="split">
        <div className="list" tabIndex={0} role="region" aria-label="Workloads by namespace">
          {ends.length === 0 ? (
            <Notice title="No workloads here"><p>{text || scope.namespace ? "None meets the search or is in this namespace." : "The cluster has no pods that policies could select."}</p></Notice>
          ) : (
            <table className="grid roomy">
              <thead><tr><th scope="col">Workload</th><th scope="col" className="number">Pods</th><th scope="col">Ingress</th><th scope="col">Egress</th><th scope="col" className="number">Denied to it</th><th scope="col" className="number">Denied from it</th><th scope="col" className="number">Traffic</th></tr></thead>
              {namespaces.map((namespace) => <Rows key={namespace} namespace={namespace} wanted={wanted} ends={ends.filter((end) => end.namespace === namespace)} />)}
            </table>
          )}
        </div>
        {open && <EndpointPanel end={open} onClose={() => alter({ endpoint: null })} />}
      </div>
    </section>
  );
}
