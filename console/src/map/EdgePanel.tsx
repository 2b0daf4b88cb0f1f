/** What is behind a way on the map: the kinds of connections, their verdicts, and who decided. */
import type { GraphEdge, Hit } from "../api/types";
import { bytes, count } from "../format/numbers";
import { plainName, policyOf, ruleWord } from "../format/words";
import { Aside } from "../parts/Aside";
import { PolicyLink, ScreenLink } from "../parts/Name";
import { Shape } from "../parts/Verdict";
import type { Drawing, MapEdge } from "./graph";

const MOST = 30;

function nameOf(id: string): string {
  const [namespace, name = ""] = id.replace(/^(in|out):/, "").split("/");
  return namespace === "-" ? name : `${namespace}/${plainName(name)}`;
}

const bare = (id: string): string => id.slice(id.indexOf("/") + 1);

function By({ hit }: { hit: Hit }) {
  const policy = policyOf(hit);
  if (!policy) return <span className="faint">no policy</span>;
  return <><span className="faint">{policy.tier} ›</span> <PolicyLink policy={policy} /> <span className="faint">› {ruleWord(hit.rule_index)}</span></>;
}

function Kind({ flow }: { flow: GraphEdge }) {
  return (
    <article className="card">
      <h3>
        <ScreenLink screen="flow-logs" set={{ source_name: bare(flow.source), dest_name: bare(flow.dest), dest_port: String(flow.port), open: flow.id }}>
          {nameOf(flow.source)} → {nameOf(flow.dest)}
        </ScreenLink>
      </h3>
      <p className="mono">{flow.service !== "-" && flow.service ? `${flow.service}:` : ""}{flow.port}/{flow.protocol} <span className="faint">{bytes(flow.bytes)}</span></p>
      <p>
        {flow.allowed > 0 && <span className="verdict allow"><Shape mark="allow" /> {count(flow.allowed)} allowed </span>}
        {flow.denied > 0 && <span className="verdict deny"><Shape mark="deny" /> {count(flow.denied)} denied</span>}
        {flow.would_deny && <span className="verdict staged"><Shape mark="staged" /> staged policies would deny</span>}
      </p>
      <ul className="plain">{flow.decided_by.map((hit, i) => <li key={i}><By hit={hit} /></li>)}</ul>
    </article>
  );
}

export function EdgePanel({ edge, drawing, onClose }: { edge: MapEdge; drawing: Drawing; onClose: () => void }) {
  const name = (id: string): string => {
    const node = drawing.nodes.find((one) => one.id === id);
    return node ? plainName(node.name) : id;
  };
  const flows = [...edge.flows].sort((a, b) => b.denied - a.denied || b.bytes - a.bytes);
  return (
    <Aside label="Connections" title={`${name(edge.source)} → ${name(edge.dest)}`} onClose={onClose}>
      <p>{bytes(edge.bytes)} in this window{edge.denied > 0 && <>, <span className="verdict deny"><Shape mark="deny" /> {count(edge.denied)} denied</span></>}</p>
      {flows.slice(0, MOST).map((flow) => <Kind key={flow.id} flow={flow} />)}
      {flows.length > MOST && <p className="faint">and {count(flows.length - MOST)} more</p>}
    </Aside>
  );
}
