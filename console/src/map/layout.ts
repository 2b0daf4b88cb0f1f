/**
 * Where things are on the map: layers from left to right, workloads inside their namespace.
 *
 * Two small problems instead of one big: first each namespace by itself, then the namespaces as blocks. Every thing gets a
 * seat (column and place in it) that it keeps: what is new sits down at the end of a column, so nothing else changes places.
 */
import type { Drawing, MapNode } from "./graph";
import { layersOf, uncrossed, type Link } from "./layers";

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
  column: number;
  place: number;
}

export type Seats = Map<string, Seat>;

const SIZES: Record<MapNode["kind"], [number, number]> = { workload: [156, 44], folded: [172, 56], outside: [176, 44] };
const PAD = 16;
const HEAD = 30;
/** Labels on the ways need room between the columns. */
const ROOMY = { inner: [112, 22], outer: [130, 34] } as const;
const CLOSE = { inner: [64, 20], outer: [96, 34] } as const;
/** Width to height that a screen likes. */
const ASPECT = 1.7;
/** Room for columns when layers are broken into several, so that numbers of columns never meet. */
const COLUMNS_PER_LAYER = 100;

interface Item {
  id: string;
  width: number;
  height: number;
}

type Gaps = readonly [x: number, y: number];

/** How high a column may get before it is broken: such that all together have the shape of a screen. */
function heightLimit(items: readonly Item[], [gapX, gapY]: Gaps): number {
  const area = items.reduce((sum, item) => sum + (item.width + gapX) * (item.height + gapY), 0);
  return Math.max(Math.sqrt(area / ASPECT) * 1.15, ...items.map((item) => item.height)) + gapY;
}

/** Give every item a seat: those known keep theirs. */
function seated(items: readonly Item[], links: readonly Link[], entries: ReadonlySet<string>, fixed: ReadonlyMap<string, number>, seats: Seats, scope: string, gaps: Gaps): void {
  const layers = layersOf(items.map((item) => item.id), links, entries);
  for (const [id, layer] of fixed) layers.set(id, layer);
  const sizes = new Map(items.map((item) => [item.id, item]));
  const limit = heightLimit(items, gaps);
  const filled = new Map<number, { height: number; places: number }>();
  const take = (id: string, seat: Seat): void => {
    const column = filled.get(seat.column) ?? { height: 0, places: 0 };
    filled.set(seat.column, { height: column.height + (sizes.get(id)?.height ?? 0) + gaps[1], places: Math.max(column.places, seat.place + 1) });
    seats.set(scope + id, seat);
  };
  for (const { id } of items) {
    const known = seats.get(scope + id);
    if (known) take(id, known);
  }
  for (const id of uncrossed(layers, links)) {
    if (seats.has(scope + id)) continue;
    let column = (layers.get(id) ?? 0) * COLUMNS_PER_LAYER;
    while ((filled.get(column)?.height ?? 0) + (sizes.get(id)?.height ?? 0) > limit) column += 1;
    take(id, { column, place: filled.get(column)?.places ?? 0 });
  }
}

/** Boxes for seated items, column by column, each column centred on the tallest. */
function arranged(items: readonly Item[], seats: Seats, scope: string, gaps: Gaps): Map<string, Box> {
  const seatOf = (item: Item): Seat => seats.get(scope + item.id) ?? { column: 0, place: 0 };
  const columns = new Map<number, Item[]>();
  for (const item of items) columns.set(seatOf(item).column, [...(columns.get(seatOf(item).column) ?? []), item]);
  const heightOf = (column: readonly Item[]): number => column.reduce((sum, item) => sum + item.height + gaps[1], -gaps[1]);
  const tallest = Math.max(0, ...[...columns.values()].map(heightOf));
  const boxes = new Map<string, Box>();
  let x = 0;
  for (const number of [...columns.keys()].sort((a, b) => a - b)) {
    const column = (columns.get(number) ?? []).sort((a, b) => seatOf(a).place - seatOf(b).place);
    let y = Math.round((tallest - heightOf(column)) / 2);
    for (const item of column) {
      boxes.set(item.id, { x, y, width: item.width, height: item.height });
      y += item.height + gaps[1];
    }
    x += Math.max(...column.map((item) => item.width)) + gaps[0];
  }
  return boxes;
}

function extent(boxes: Iterable<Box>): { width: number; height: number } {
  let [width, height] = [0, 0];
  for (const box of boxes) [width, height] = [Math.max(width, box.x + box.width), Math.max(height, box.y + box.height)];
  return { width, height };
}

const blockOf = (node: MapNode): string => (node.kind === "workload" ? `space:${node.namespace}` : node.id);

/** The outside that comes in is left of everything, the outside that is gone to right of it. */
function outsides(blocks: readonly string[]): Map<string, number> {
  const fixed = new Map<string, number>();
  for (const id of blocks) {
    if (id.startsWith("in:")) fixed.set(id, -1);
    if (id.startsWith("out:")) fixed.set(id, 50);
  }
  return fixed;
}

interface Block extends Item {
  boxes: Map<string, Box>;
}

function blocksOf(drawing: Drawing, block: ReadonlyMap<string, string>, seats: Seats, gaps: Gaps): Block[] {
  return [...new Set(block.values())].map((id) => {
    const members = drawing.nodes.filter((node) => block.get(node.id) === id).map((node) => ({ id: node.id, width: SIZES[node.kind][0], height: SIZES[node.kind][1] }));
    const links = drawing.edges.filter((edge) => block.get(edge.source) === id && block.get(edge.dest) === id).map((edge) => [edge.source, edge.dest] as const);
    const entries = new Set(drawing.edges.filter((edge) => block.get(edge.dest) === id && edge.source.startsWith("in:")).map((edge) => edge.dest));
    seated(members, links, entries, new Map(), seats, `${id}|`, gaps);
    const boxes = arranged(members, seats, `${id}|`, gaps);
    const { width, height } = extent(boxes.values());
    const space = id.startsWith("space:");
    return { id, boxes, width: width + (space ? 2 * PAD : 0), height: height + (space ? PAD + HEAD : 0) };
  });
}

/** Place a drawing. `seats` is remembered between calls and changed by them. */
export function placed(drawing: Drawing, seats: Seats, labelled: boolean): Placed {
  const gaps = labelled ? ROOMY : CLOSE;
  const block = new Map(drawing.nodes.map((node) => [node.id, blockOf(node)]));
  const blocks = blocksOf(drawing, block, seats, gaps.inner);
  const pairs = drawing.edges.map((edge) => [block.get(edge.source) ?? "", block.get(edge.dest) ?? ""] as const).filter(([a, b]) => a !== b);
  const links = [...new Map(pairs.map((pair) => [pair.join(">"), pair])).values()];
  const entries = new Set(links.filter(([source]) => source.startsWith("in:")).map(([, dest]) => dest));
  seated(blocks, links, entries, outsides(blocks.map((one) => one.id)), seats, "|", gaps.outer);
  const outer = arranged(blocks, seats, "|", gaps.outer);
  const result: Placed = { nodes: new Map(), spaces: new Map() };
  for (const one of blocks) {
    const at = outer.get(one.id);
    if (!at) continue;
    const space = one.id.startsWith("space:");
    if (space) result.spaces.set(one.id.slice(6), at);
    for (const [node, box] of one.boxes) result.nodes.set(node, { ...box, x: at.x + box.x + (space ? PAD : 0), y: at.y + box.y + (space ? HEAD : 0) });
  }
  return result;
}
