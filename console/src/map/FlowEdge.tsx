/** A way on the map: wider with more bytes; denied ones red, dashed and on top; staged denials amber. */
import { BaseEdge, EdgeLabelRenderer, type Edge, type EdgeProps } from "@xyflow/react";
import { Shape } from "../parts/Verdict";
import type { MapEdge } from "./graph";
import type { Way } from "./ways";

type Data = Edge<{ edge: MapEdge; way: Way; label: string; labelled: boolean; width: number; quiet: boolean; many: boolean; loud: boolean }>;

export const edgeMark = (edge: MapEdge): "deny" | "staged" | "allow" => (edge.denied ? "deny" : edge.wouldDeny ? "staged" : "allow");

export function FlowEdge({ id, data, selected }: EdgeProps<Data>) {
  if (!data) return null;
  const { path, x, y } = data.way;
  const mark = edgeMark(data.edge);
  return (
    <>
      <BaseEdge id={id} path={path} interactionWidth={14} className={`way ${mark}${selected ? " chosen" : ""}${data.quiet ? " quiet-way" : ""}${data.many && !data.loud ? " many" : ""}`} style={{ strokeWidth: data.width }} />
      {(data.labelled || selected || (data.loud && !data.many)) && (
        <EdgeLabelRenderer>
          <span className={`way-label ${mark}${data.quiet ? " quiet-way" : ""}${data.many && !data.loud ? " many" : ""}`} style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}>
            {mark !== "allow" && <Shape mark={mark} />} {data.label}
          </span>
        </EdgeLabelRenderer>
      )}
    </>
  );
}
