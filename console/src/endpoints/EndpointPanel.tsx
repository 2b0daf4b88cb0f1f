/** A workload opened: labels, pods, policies per direction, peers, and the ways to the other screens. */
import type { DirectionState, Endpoint, PolicyRef } from "../api/types";
import { bytes, count } from "../format/numbers";
import { policyKey, protocolWord } from "../format/words";
import { Aside } from "../parts/Aside";
import { EndName, PolicyLink, ScreenLink } from "../parts/Name";
import { Shape } from "../parts/Verdict";
import { isolationWord } from "./EndpointsScreen";

function Policies({ title, state }: { title: string; state: DirectionState }) {
  const line = (policy: PolicyRef, staged: boolean) => (
    <li key={policyKey(policy)}><span className="faint">{policy.tier} ›</span> <PolicyLink policy={policy} />{staged && <span className="tag staged"><Shape mark="staged" /> staged</span>}</li>
  );
  return (
    <>
      <h3>{title}: {isolationWord(state)}</h3>
      {state.policies.length + state.staged.length > 0 && <ol className="plain">{state.policies.map((policy) => line(policy, false))}{state.staged.map((policy) => line(policy, true))}</ol>}
      {!state.isolated && <p className="faint">No enforced policy selects it for {title.toLowerCase()}: everything is allowed.</p>}
    </>
  );
}

export function EndpointPanel({ end, onClose }: { end: Endpoint; onClose: () => void }) {
  return (
    <Aside label={`Endpoint ${end.namespace}/${end.name}`} onClose={onClose} title={<EndName namespace={end.namespace} name={end.name} />}>
      <p className="links">
        <ScreenLink screen="flow-logs" set={{ source_name: end.name }}>Flows from it</ScreenLink>
        <ScreenLink screen="flow-logs" set={{ dest_name: end.name }}>Flows to it</ScreenLink>
        <ScreenLink screen="map" set={{ focus: `${end.namespace}/${end.name}` }}>On the map</ScreenLink>
      </p>
      <p className="labels">{end.labels.map((label) => <code key={label}>{label}</code>)}</p>
      <Policies title="Ingress" state={end.ingress} />
      <Policies title="Egress" state={end.egress} />
      <h3>Talks to and is talked to by</h3>
      {end.peers.length === 0 ? <p className="faint">Nobody in this window.</p> : (
        <table className="grid">
          <thead><tr><th scope="col">Peer</th><th scope="col">Port</th><th scope="col" className="number">Bytes</th><th scope="col" className="number">Denied</th></tr></thead>
          <tbody>
            {end.peers.map((peer) => (
              <tr key={`${peer.direction}${peer.namespace}/${peer.name}:${peer.port}/${peer.protocol}`}>
                <td><span className="faint">{peer.direction === "Ingress" ? "from" : "to"}</span> <EndName namespace={peer.namespace} name={peer.name} /></td>
                <td className="mono">{peer.port}<span className="faint">/{protocolWord(peer.protocol)}</span></td>
                <td className="number" title={count(peer.bytes)}>{bytes(peer.bytes)}</td>
                <td className="number">{peer.denied ? <span className="verdict deny"><Shape mark="deny" /> {count(peer.denied)}</span> : <span className="faint">0</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <h3>Pods</h3>
      <table className="grid"><thead><tr><th scope="col">Pod</th><th scope="col">Address</th><th scope="col">Node</th></tr></thead>
        <tbody>{end.pods.map((pod) => <tr key={pod.name}><td className="mono">{pod.name}</td><td className="mono">{pod.ip}</td><td>{pod.node}</td></tr>)}</tbody></table>
    </Aside>
  );
}
