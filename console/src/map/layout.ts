/**
 * Where things are on the map: layers from left to right, workloads inside their namespace.
 *
 * Two small problems instead of one big: first each namespace by itself, then the namespaces as blocks. Every thing gets a
 * seat (layer and place in it) that it keeps: what is new sits down at the end of its layer, so nothing else changes places.
 */
import dagre from "@dagrejs/dagre";
import type { Drawing, MapNode } from "./graph";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Placed {
  nodes: Map<string, Box>;
  /** Containers by namespace. */
  spaces: Map<string, Box>;
}

interface Seat {
  layer: number;
  place: number;
}

export type Seats = Map<string, Seat>;

const SIZES: Record<MapNode["kind"], [number, number]> = { workload: [156, 44], folded: [172, 56], outside: [156, 44] };
const PAD = 14;
const HEAD = 28;
const GAP_X = 96;
const GAP_Y = 18;
const BLOCK_GAP_X = 120;
const BLOCK_GAP_Y = 28;

interface Item {
  id: string;
  width: number;
  height: number;
}

type Way = readonly [source: string, dest: string];

/** Give every item a seat: those known keep theirs, new ones go where dagre would layer them, at the end. */
function seated(items: readonly Item[], ways: readonly Way[], seats: Seats, scope: string): Map<string, Seat> {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 10, ranksep: 50 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const item of items) graph.setNode(item.id, { width: 10, height: 10 });
  for (const [source, dest] of ways) graph.setEdge(source, dest);
  dagre.layout(graph);
  const at = (id: string): { x: number; y: number } => graph.node(id) as { x: number; y: number };
  const layers = [...new Set(items.map((item) => at(item.id).x))].sort((a, b) => a - b);
  const taken = new Map<number, number>();
  for (const item of items) {
    const seat = seats.get(scope + item.id);
    if (seat) taken.set(seat.layer, Math.max(taken.get(seat.layer) ?? 0, seat.place + 1));
  }
  for (const item of [...items].sort((a, b) => at(a.id).y - at(b.id).y)) {
    if (seats.has(scope + item.id)) continue;
    const layer = layers.indexOf(at(item.id).x);
    const place = taken.get(layer) ?? 0;
    taken.set(layer, place + 1);
    seats.set(scope + item.id, { layer, place });
  }
  return new Map(items.map((item) => [item.id, seats.get(scope + item.id) as Seat]));
}

/** Boxes for items, layer by layer, each layer centred on the tallest. */
function arranged(items: readonly Item[], ways: readonly Way[], seats: Seats, scope: string, gaps: readonly [number, number]): Map<string, Box> {
  const found = seated(items, ways, seats, scope);
  const layers = new Map<number, Item[]>();
  for (const item of items) {
    const layer = found.get(item.id)?.layer ?? 0;
    layers.set(layer, [...(layers.get(layer) ?? []), item]);
  }
  const heightOf = (column: readonly Item[]): number => column.reduce((sum, item) => sum + item.height + gaps[1], -gaps[1]);
  const tallest = Math.max(0, ...[...layers.values()].map(heightOf));
  const boxes = new Map<string, Box>();
  let x = 0;
  for (const layer of [...layers.keys()].sort((a, b) => a - b)) {
    const column = (layers.get(layer) ?? []).sort((a, b) => (found.get(a.id)?.place ?? 0) - (found.get(b.id)?.place ?? 0));
    let y = Math.round((tallest - heightOf(column)) / 2);
    for (const item of column) {
      boxes.set(item.id, { x, y, width: item.width, height: item.height });
      y += item.height + gaps[1];
    }
    x += Math.max(...column.map((item) => item.width)) + gaps[0];
  }
  return boxes;
}

const extent = (boxes: Iterable<Box>): { width: number; height: number } => {
  let [width, height] = [0, 0];
  for (const box of boxes) [width, height] = [Math.max(width, box.x + box.width), Math.max(height, box.y + box.height)];
  return { width, height };
};

const blockOf = (node: MapNode): string => (node.kind === "workload" ? `space:${node.namespace}` : node.id);

/** Place a drawing. `seats` is remembered between calls and changed by them. */
export function placed(drawing: Drawing, seats: Seats): Placed {
  const block = new Map(drawing.nodes.map((node) => [node.id, blockOf(node)]));
  const inner = new Map<string, Map<string, Box>>();
  const blocks: Item[] = [];
  for (const id of new Set(block.values())) {
    const members = drawing.nodes.filter((node) => block.get(node.id) === id).map((node) => ({ id: node.id, width: SIZES[node.kind][0], height: SIZES[node.kind][1] }));
    const ways = drawing.edges.filter((edge) => block.get(edge.source) === id && block.get(edge.dest) === id).map((edge) => [edge.source, edge.dest] as const);
    const boxes = arranged(members, ways, seats, `${id}|`, [GAP_X, GAP_Y]);
    inner.set(id, boxes);
    const size = extent(boxes.values());
    const space = id.startsWith("space:");
    blocks.push({ id, width: size.width + (space ? 2 * PAD : 0), height: size.height + (space ? PAD + HEAD : 0) });
  }
  const ways = new Map(drawing.edges.map((edge) => [block.get(edge.source) ?? "", block.get(edge.dest) ?? ""] as const).filter(([a, b]) => a !== b).map((way) => [way.join(">"), way]));
  const outer = arranged(blocks, [...ways.values()], seats, "|", [BLOCK_GAP_X, BLOCK_GAP_Y]);
  const result: Placed = { nodes: new Map(), spaces: new Map() };
  for (const [id, at] of outer) {
    const space = id.startsWith("space:");
    if (space) result.spaces.set(id.slice(6), at);
    for (const [node, box] of inner.get(id) ?? []) result.nodes.set(node, { ...box, x: at.x + box.x + (space ? PAD : 0), y: at.y + box.y + (space ? HEAD : 0) });
  }
  return result;
}
