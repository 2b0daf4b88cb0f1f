/** A way on the map: wider with more bytes; denied ones red, dashed and on top; staged denials amber. */
import { BaseEdge, EdgeLabelRenderer, getBezierPath, type Edge, type EdgeProps } from "@xyflow/react";
import { Shape } from "../parts/Verdict";
import type { MapEdge } from "./graph";

type Data = Edge<{ edge: MapEdge; label: string; labelled: boolean; width: number; quiet: boolean }>;

export const edgeMark = (edge: MapEdge): "deny" | "staged" | "allow" => (edge.denied ? "deny" : edge.wouldDeny ? "staged" : "allow");

export function FlowEdge({ id, sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition, data, selected }: EdgeProps<Data>) {
  const [path, x, y] = getBezierPath({ sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition });
  if (!data) return null;
  const mark = edgeMark(data.edge);
  return (
    <>
      <BaseEdge id={id} path={path} interactionWidth={14} className={`way ${mark}${selected ? " chosen" : ""}${data.quiet ? " quiet-way" : ""}`} style={{ strokeWidth: data.width }} />
      {(data.labelled || selected) && (
        <EdgeLabelRenderer>
          <span className={`way-label ${mark}${data.quiet ? " quiet-way" : ""}`} style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}>
            {mark !== "allow" && <Shape mark={mark} />} {data.label}
          </span>
        </EdgeLabelRenderer>
      )}
    </>
  );
}
