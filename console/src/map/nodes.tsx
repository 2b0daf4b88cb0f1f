/** The things on the map. */
import { Handle, Position, type Node, type NodeProps } from "@xyflow/react";
import { alter, useAddress } from "../address/address";
import { counted, short } from "../format/numbers";
import { plainName } from "../format/words";
import { Shape } from "../parts/Verdict";
import type { MapNode } from "./graph";

type Data = Node<{ node: MapNode; focused: boolean }>;

function Handles() {
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
}

function list(params: URLSearchParams, key: string): string[] {
  return params.get(key)?.split(",").filter(Boolean) ?? [];
}

/** Fold or unfold a namespace, in the address. */
export function useFold(): (namespace: string, fold: boolean) => void {
  const { params } = useAddress();
  return (namespace, fold) => {
    const [into, from] = fold ? ["fold", "unfold"] : ["unfold", "fold"];
    const others = list(params, from).filter((one) => one !== namespace);
    alter({ [into]: [...list(params, into).filter((one) => one !== namespace), namespace].join(","), [from]: others.join(",") || null });
  };
}

export function WorkloadNode({ data: { node, focused } }: NodeProps<Data>) {
  return (
    <button type="button" className={`map-node workload${focused ? " focused" : ""}`} title={`${node.namespace}/${node.name}: show ${focused ? "all" : "its neighbourhood"}`} onClick={() => alter({ focus: focused ? null : node.id, edge: null })}>
      <strong>{plainName(node.name)}</strong>
      <span className="faint">{node.node?.type === "NetworkSet" ? "network set" : counted(node.size, "pod")}</span>
      <Handles />
    </button>
  );
}

export function FoldedNode({ data: { node } }: NodeProps<Data>) {
  const fold = useFold();
  return (
    <button type="button" className="map-node folded" title={`Unfold ${node.name}`} onClick={() => fold(node.namespace, false)}>
      <strong>{node.name}</strong>
      <span className="faint">{counted(node.size, "workload")}{node.denied > 0 && <span className="verdict deny" title={`${node.denied} connections denied inside`}> <Shape mark="deny" /> {short(node.denied)}</span>}</span>
      <Handles />
    </button>
  );
}

export function OutsideNode({ data: { node } }: NodeProps<Data>) {
  return (
    <div className="map-node outside" title={node.node?.type}>
      <strong>{node.name}</strong>
      <span className="faint">{node.node?.type === "HostEndpoint" ? "host" : node.node?.type === "NetworkSet" ? "network set" : "outside"}</span>
      <Handles />
    </div>
  );
}

export function SpaceNode({ data: { namespace } }: NodeProps<Node<{ namespace: string }>>) {
  const fold = useFold();
  return (
    <div className="map-space">
      <button type="button" className="quiet" title={`Fold ${namespace}`} onClick={() => fold(namespace, true)}>{namespace} <span aria-hidden="true">−</span></button>
    </div>
  );
}
