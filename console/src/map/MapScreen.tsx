/** The map: the application's diagram, drawn from the flows. */
import { Background, Controls, ReactFlow, type Edge, type EdgeChange, type Node, type ReactFlowInstance } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import "../styles/map.css";
import { useEffect, useMemo, useRef, useState } from "react";
import { alter, useAddress } from "../address/address";
import type { Scope } from "../address/scope";
import { useGraph } from "../api/queries";
import { expressionOf, filtersOf } from "../filters/filters";
import { count, counted } from "../format/numbers";
import { useNarrow } from "../frame/narrow";
import { Failed, Loading, Notice } from "../parts/States";
import { EdgePanel } from "./EdgePanel";
import { drawingOf, edgeLabel, foldedAtFirst, MANY, MANY_ON_A_PHONE, telling, type Drawing, type MapOptions } from "./graph";
import { placed, type Placed, type Seats } from "./layout";
import { FlowEdge } from "./FlowEdge";
import { MapControls } from "./MapControls";
import { enclosing, waysOf, type Way } from "./ways";
import { FoldedNode, OutsideNode, SpaceNode, WorkloadNode } from "./nodes";

const NODE_TYPES = { workload: WorkloadNode, folded: FoldedNode, outside: OutsideNode, space: SpaceNode };
const EDGE_TYPES = { flow: FlowEdge };
const MOST_LABELS = 40;
/** More than these nobody can follow with the eye. */
const MOST_WAYS = 120;
const FIT = { padding: 0.06, maxZoom: 1.25 };
/** On a phone what is there is read piece by piece. */
const FIT_NARROW = { ...FIT, minZoom: 0.6 };

function nodesOf(drawing: Drawing, place: Placed, focus: string): Node[] {
  const spaces = [...place.spaces].map(([namespace, box]) => ({
    id: `space:${namespace}`, type: "space", position: box, width: box.width, height: box.height, data: { namespace }, selectable: false, zIndex: -1,
  }));
  const nodes = drawing.nodes.map((node) => {
    const box = place.nodes.get(node.id) ?? { x: 0, y: 0, width: 0, height: 0 };
    return { id: node.id, type: node.kind, position: box, width: box.width, height: box.height, data: { node, focused: node.id === focus }, zIndex: 5 };
  });
  return [...spaces, ...nodes];
}

/** Only the ways of `drawn`, and those of `looked`, the thing under the pointer, which stand out. */
function edgesOf(drawing: Drawing, ways: ReadonlyMap<string, Way>, drawn: ReadonlySet<string>, chosen: string, looked: string): Edge[] {
  const shown = drawing.edges.filter((edge) => drawn.has(edge.id) || edge.id === chosen || (looked && (edge.source === looked || edge.dest === looked)));
  const many = shown.length > MOST_LABELS;
  const top = Math.max(1, ...drawing.edges.map((edge) => edge.bytes));
  return shown.map((edge) => ({
    id: edge.id, source: edge.source, target: edge.dest, type: "flow", selected: edge.id === chosen, zIndex: edge.denied ? 2 : 1,
    data: {
      edge, way: ways.get(edge.id), label: edgeLabel(edge), labelled: !many, many,
      width: (many ? 0.6 : 1) + ((many ? 1.2 : 2.4) * Math.log1p(edge.bytes)) / Math.log1p(top),
      loud: edge.source === looked || edge.dest === looked,
      quiet: looked ? edge.source !== looked && edge.dest !== looked : Boolean(chosen) && edge.id !== chosen,
    },
    ariaLabel: `${edge.source} to ${edge.dest}, ${edgeLabel(edge)}, ${edge.denied ? `${edge.denied} denied` : "allowed"}`,
  }));
}

/** The options that the address holds; which namespaces are folded is decided by size until somebody chooses. */
function optionsOf(params: URLSearchParams, namespace: string, usual: ReadonlySet<string>): MapOptions {
  const unfolded = params.get("unfold")?.split(",") ?? [];
  const folded = params.get("fold")?.split(",").filter(Boolean) ?? [];
  return { namespace, focus: params.get("focus") ?? "", hideDns: params.get("dns") === "hide", hideHosts: params.get("hosts") === "hide",
    hidden: params.getAll("hide"), folded: new Set([...usual, ...folded].filter((name) => !unfolded.includes(name) && !(name === namespace && !folded.includes(name)))) };
}

/** Says when not all ways are drawn, which ones are, and how to see the others. */
function Left({ drawing, drawn }: { drawing: Drawing; drawn: ReadonlySet<string> }) {
  const { params } = useAddress();
  if (params.get("ways") === "all") return drawing.edges.length > MOST_WAYS && <button type="button" onClick={() => alter({ ways: null })}>Draw only what says most</button>;
  if (drawn.size === drawing.edges.length) return null;
  return (
    <button type="button" title="Drawn are those with denials, then those that staged policies would deny, then those that carry most. Point at a thing to see all of its ways." onClick={() => alter({ ways: "all" })}>
      {count(drawn.size)} of {count(drawing.edges.length)} ways: draw all
    </button>
  );
}

export default function MapScreen({ scope }: { scope: Scope }) {
  const { params } = useAddress();
  const filters = filtersOf(params);
  const query = useGraph(scope.range, expressionOf(filters, { search: params.get("q") ?? "", namespace: scope.namespace }));
  const narrow = useNarrow();
  const fit = narrow ? FIT_NARROW : FIT;
  const [seats] = useState<Seats>(() => new Map());
  const graph = query.data;
  const href = params.toString();
  const view = useMemo(() => {
    if (!graph) return null;
    const search = new URLSearchParams(href);
    const options = optionsOf(search, scope.namespace, search.get("focus") ? new Set() : foldedAtFirst(graph, narrow ? MANY_ON_A_PHONE : MANY));
    const drawing = drawingOf(graph, options);
    const place = placed(drawing, seats, drawing.edges.length <= MOST_LABELS);
    const ways = waysOf(drawing, place);
    const drawn = telling(drawing.edges, search.get("ways") === "all" ? Infinity : MOST_WAYS);
    return { options, drawing, place: { ...place, spaces: enclosing(drawing, place, ways) }, ways, drawn };
  }, [graph, href, scope.namespace, seats, narrow]);
  const chosen = params.get("edge") ?? "";
  const [looked, setLooked] = useState("");
  const flow = useRef<ReactFlowInstance | null>(null);
  const panel = Boolean(chosen);
  useEffect(() => {
    // The canvas has another size once the panel is there, or gone.
    const timer = setTimeout(() => void flow.current?.fitView(fit), 50);
    return () => clearTimeout(timer);
  }, [panel, fit]);
  const elements = useMemo(() => view && { nodes: nodesOf(view.drawing, view.place, view.options.focus), edges: edgesOf(view.drawing, view.ways, view.drawn, chosen, looked) }, [view, chosen, looked]);
  // A way that has the focus is chosen with Enter; a click tells it in this way too.
  const chooseByKey = (changes: EdgeChange[]): void => {
    const found = changes.find((one) => one.type === "select" && one.selected);
    if (found?.type === "select" && found.id !== chosen) alter({ edge: found.id });
  };
  if (query.error && !graph) return <Failed what="The map" error={query.error} again={() => void query.refetch()} />;
  if (!view || !graph || !elements) return <Loading what="the map" />;
  const { drawing, options, place, ways } = view;
  const edge = drawing.edges.find((one) => one.id === chosen);
  const setting = [...options.folded].join() + options.hidden.join() + options.focus + String(options.hideDns) + String(options.hideHosts) + scope.namespace;
  return (
    <section className="screen map" aria-label="Map">
      <div className="screen-head">
        <h1>Map</h1>
        <p className="summary"><b>{counted(graph.nodes.filter((node) => node.type === "WorkloadEndpoint").length, "workload")}</b>, {counted(graph.edges.length, "kind of connection", "kinds of connections")}</p>
        <Left drawing={drawing} drawn={view.drawn} />
        <MapControls graph={graph} drawing={drawing} place={place} ways={ways} options={options} />
      </div>
      <div className="split">
        <div className="canvas">
          {drawing.nodes.length === 0 ? <Notice title="Nothing to draw"><p>{graph.edges.length ? "Everything is hidden. Show something again above." : "No flows in this window. catfacts sends some every second: is it running?"}</p></Notice> : (
            <ReactFlow
              key={setting}
              nodes={elements.nodes}
              edges={elements.edges}
              nodeTypes={NODE_TYPES}
              edgeTypes={EDGE_TYPES}
              fitView
              fitViewOptions={fit}
              onInit={(instance) => {
                flow.current = instance;
              }}
              onNodeMouseEnter={(_, one) => setLooked(one.type === "space" ? "" : one.id)}
              onNodeMouseLeave={() => setLooked("")}
              minZoom={0.1}
              nodesDraggable={false}
              nodesConnectable={false}
              onlyRenderVisibleElements
              proOptions={{ hideAttribution: true }}
              onEdgeClick={(_, one) => alter({ edge: one.id })}
              onEdgesChange={chooseByKey}
              onPaneClick={() => chosen && alter({ edge: null })}
            >
              <Background gap={24} size={1} />
              <Controls showInteractive={false} />
            </ReactFlow>
          )}
        </div>
        {edge && <EdgePanel edge={edge} drawing={drawing} onClose={() => alter({ edge: null })} />}
      </div>
    </section>
  );
}
