/**
 * How ways are drawn: from the right side of one thing to the left side of another, each with its own place on that side,
 * and around whatever stands between.
 */
import type { Drawing, MapEdge } from "./graph";
import type { Box, Placed } from "./layout";

export interface Way {
  path: string;
  /** Where its label goes. */
  x: number;
  y: number;
}

interface Point {
  x: number;
  y: number;
}

const LANE = 12;
/** With more ways than this nobody follows a single one, and looking for obstacles is not worth its time. */
const MOST_ROUTED = 160;

function leap(from: Point, to: Point): string {
  const bend = to.x > from.x ? (to.x - from.x) / 2 : Math.max(60, (from.x - to.x) / 3);
  return `C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`;
}

/** The boxes that a straight way would cross. */
function between(from: Point, to: Point, boxes: readonly Box[]): Box[] {
  return boxes.filter((box) => {
    if (box.x <= from.x || box.x + box.width >= to.x) return false;
    const at = (x: number): number => from.y + ((to.y - from.y) * (x - from.x)) / (to.x - from.x);
    const [a, b] = [at(box.x), at(box.x + box.width)];
    return Math.max(a, b) > box.y - LANE / 2 && Math.min(a, b) < box.y + box.height + LANE / 2;
  });
}

/** A y near `wish` where no box is in the way between x1 and x2, and which no other lane there uses. */
function lane(wish: number, x1: number, x2: number, boxes: readonly Box[], used: Map<number, number>): number {
  const inWay = boxes.filter((box) => box.x < x2 && box.x + box.width > x1);
  const free = (y: number): boolean => inWay.every((box) => y < box.y - LANE / 2 || y > box.y + box.height + LANE / 2);
  for (let off = 0; off < 2000; off += LANE) {
    for (const y of [wish + off, wish - off]) {
      const slot = Math.round(y / LANE);
      if (free(slot * LANE) && (used.get(slot) ?? -Infinity) < x1) {
        used.set(slot, x2);
        return slot * LANE;
      }
    }
  }
  return wish;
}

function routed(from: Point, to: Point, boxes: readonly Box[], used: Map<number, number>): Way {
  const obstacles = to.x > from.x ? between(from, to, boxes) : [];
  if (!obstacles.length) return { path: `M${from.x} ${from.y}${leap(from, to)}`, x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  const x1 = Math.min(...obstacles.map((box) => box.x)) - LANE;
  const x2 = Math.max(...obstacles.map((box) => box.x + box.width)) + LANE;
  const lowest = Math.max(...obstacles.map((box) => box.y + box.height));
  const y = lane(Math.max(lowest + LANE, (from.y + to.y) / 2), x1, x2, boxes, used);
  const [a, b] = [{ x: Math.max(from.x + LANE, x1), y }, { x: Math.min(to.x - LANE, x2), y }];
  return { path: `M${from.x} ${from.y}${leap(from, a)}L${b.x} ${b.y}${leap(b, to)}`, x: a.x + (b.x - a.x) * (Math.round(y / LANE) % 2 ? 0.35 : 0.65), y };
}

/** A place on its side for each way of a thing, in the order of where they go to. */
function ports(edges: readonly MapEdge[], place: Placed, end: "source" | "dest"): Map<string, number> {
  const other = end === "source" ? "dest" : "source";
  const found = new Map<string, number>();
  for (const [id, own] of grouped(edges, end)) {
    const box = place.nodes.get(id);
    if (!box) continue;
    const far = (edge: MapEdge): Box => place.nodes.get(edge[other]) ?? box;
    const sorted = [...own].sort((a, b) => far(a).y - far(b).y || Math.abs(far(a).x - box.x) - Math.abs(far(b).x - box.x));
    sorted.forEach((edge, i) => found.set(edge.id, box.y + (box.height * (i + 1)) / (sorted.length + 1)));
  }
  return found;
}

function grouped(edges: readonly MapEdge[], end: "source" | "dest"): Map<string, MapEdge[]> {
  const groups = new Map<string, MapEdge[]>();
  for (const edge of edges) groups.set(edge[end], [...(groups.get(edge[end]) ?? []), edge]);
  return groups;
}

/** All ways of a drawing, by the edge's id. */
export function waysOf(drawing: Drawing, place: Placed): Map<string, Way> {
  const leaving = ports(drawing.edges, place, "source");
  const arriving = ports(drawing.edges, place, "dest");
  const boxes = drawing.edges.length > MOST_ROUTED ? [] : [...place.nodes.values()];
  const used = new Map<number, number>();
  const ways = new Map<string, Way>();
  for (const edge of drawing.edges) {
    const [source, dest] = [place.nodes.get(edge.source), place.nodes.get(edge.dest)];
    if (!source || !dest) continue;
    const from = { x: source.x + source.width, y: leaving.get(edge.id) ?? source.y };
    const to = { x: dest.x, y: arriving.get(edge.id) ?? dest.y };
    ways.set(edge.id, routed(from, to, boxes, used));
  }
  return ways;
}

/** Room above the next container that a way may take. */
const MOST_BELOW = 30;

/** The containers, made high enough for the ways of their things that pass below them. */
export function enclosing(drawing: Drawing, place: Placed, ways: ReadonlyMap<string, Way>): Map<string, Box> {
  const spaces = new Map(place.spaces);
  const spaceOf = new Map(drawing.nodes.map((node) => [node.id, node.kind === "workload" ? node.namespace : ""]));
  for (const edge of drawing.edges) {
    const way = ways.get(edge.id);
    for (const name of new Set([spaceOf.get(edge.source), spaceOf.get(edge.dest)])) {
      const [box, first] = [spaces.get(name ?? ""), place.spaces.get(name ?? "")];
      if (!name || !box || !first || !way || way.x < box.x || way.x > box.x + box.width) continue;
      const wanted = way.y + LANE + 2 - box.y;
      if (wanted > box.height && wanted <= first.height + MOST_BELOW) spaces.set(name, { ...box, height: wanted });
    }
  }
  return spaces;
}
