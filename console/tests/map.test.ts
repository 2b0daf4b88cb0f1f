import { describe, expect, test } from "vitest";
import type { Graph, GraphEdge, GraphNode } from "../src/api/types";
import { drawingOf, edgeLabel, foldedAtFirst, telling, type MapOptions } from "../src/map/graph";
import { placed, type Box, type Seats } from "../src/map/layout";
import { enclosing, waysOf } from "../src/map/ways";
// @ts-expect-error The mock hub is plain JavaScript.
import { Hub } from "../mock/hub.mjs";
// @ts-expect-error The mock hub is plain JavaScript.
import { graph as hubGraph } from "../mock/flows.mjs";

const node = (id: string): GraphNode => {
  const [namespace = "", name = ""] = id.split("/");
  return { id, type: namespace === "-" ? "Network" : "WorkloadEndpoint", namespace, name, replicas: 1, labels: [] };
};
const edge = (source: string, dest: string, part: Partial<GraphEdge> = {}): GraphEdge =>
  ({ id: `${source}>${dest}${part.port ?? 80}`, source, dest, service: "-", port: 80, protocol: "tcp", bytes: 10, allowed: 1, denied: 0, would_deny: false, decided_by: [], ...part });
const graph = (...edges: GraphEdge[]): Graph => ({ nodes: [...new Set(edges.flatMap((one) => [one.source, one.dest]))].map(node), edges });
const plain: MapOptions = { namespace: "", hideDns: false, hideHosts: false, hidden: [], folded: new Set(), focus: "" };
const ids = (found: ReturnType<typeof drawingOf>): string[] => found.nodes.map((one) => one.id).sort();

describe("what is drawn", () => {
  test("the outside is one thing on each side", () =>
    expect(ids(drawingOf(graph(edge("-/net", "a/web"), edge("a/web", "-/net")), plain))).toEqual(["a/web", "in:-/net", "out:-/net"]));
  test("ways between the same ends are one, denied counts kept", () => {
    const drawing = drawingOf(graph(edge("a/x", "a/y"), edge("a/x", "a/y", { port: 81, denied: 3 })), plain);
    expect(drawing.edges.map((one) => [one.flows.length, one.denied, edgeLabel(one)])).toEqual([[2, 3, "80/tcp, 81/tcp"]]);
  });
  test("of many ways those with denials are kept, then those that staged policies would deny, then the largest", () => {
    const { edges } = drawingOf(graph(edge("a/x", "a/y", { bytes: 1, denied: 1 }), edge("a/x", "a/z", { bytes: 9 }), edge("a/y", "a/z", { bytes: 2, would_deny: true }), edge("a/z", "a/x", { bytes: 8 })), plain);
    expect([...telling(edges, 3)]).toEqual(["a/x>a/y", "a/y>a/z", "a/x>a/z"]);
    expect(telling(edges, Infinity).size).toBe(4);
  });
  test("a folded namespace is one thing, and tells what was denied inside", () => {
    const drawing = drawingOf(graph(edge("a/x", "a/y", { denied: 3 }), edge("b/z", "a/x")), { ...plain, folded: new Set(["a"]) });
    expect(drawing.nodes.find((one) => one.id === "ns:a")).toMatchObject({ size: 2, denied: 3 });
    expect(drawing.edges.map((one) => one.id)).toEqual(["b/z>ns:a"]);
  });
  test("DNS, a namespace, and all but a neighbourhood can be left out", () => {
    const all = graph(edge("a/x", "dns/c", { port: 53 }), edge("a/x", "b/y"), edge("b/y", "b/z"));
    expect(ids(drawingOf(all, { ...plain, hideDns: true }))).toEqual(["a/x", "b/y", "b/z"]);
    expect(ids(drawingOf(all, { ...plain, hidden: ["a"] }))).toEqual(["b/y", "b/z"]);
    expect(ids(drawingOf(all, { ...plain, focus: "a/x" }))).toEqual(["a/x", "b/y", "dns/c"]);
  });
  test("more than 60 workloads start folded", () => {
    const many = graph(...Array.from({ length: 61 }, (_, i) => edge(`n${i % 3}/w${i}`, "-/net")));
    expect([...foldedAtFirst(many)].sort()).toEqual(["n0", "n1", "n2"]);
    expect(foldedAtFirst(graph(edge("a/x", "a/y"))).size).toBe(0);
  });
});

const apart = (a: Box, b: Box): boolean => a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;

describe("where things are", () => {
  test("callers are left of the called", () => {
    const { nodes } = placed(drawingOf(graph(edge("c/worker", "c/facts"), edge("c/facts", "c/db"), edge("c/worker", "c/db")), plain), new Map(), true);
    const x = (id: string): number => nodes.get(id)?.x ?? NaN;
    expect(x("c/worker")).toBeLessThan(x("c/facts"));
    expect(x("c/facts")).toBeLessThan(x("c/db"));
  });
  test.each([3, 30, 300])("nothing covers anything with %d workloads", (workloads) => {
    const { nodes } = placed(drawingOf(hubGraph(new Hub({ workloads }), { clauses: [], from: 1_795_000_000, to: 1_795_000_900 }), plain), new Map(), false);
    const boxes = [...nodes.values()];
    expect(boxes.length).toBeGreaterThan(3);
    expect(boxes.every((a, i) => boxes.slice(i + 1).every((b) => apart(a, b)))).toBe(true);
  });
  test("what is new moves nothing within its neighbourhood's columns", () => {
    const seats: Seats = new Map();
    const first = [edge("c/a", "c/b"), edge("c/a", "c/d")];
    const before = placed(drawingOf(graph(...first), plain), seats, true).nodes;
    const after = placed(drawingOf(graph(...first, edge("c/a", "c/new")), plain), seats, true).nodes;
    for (const id of ["c/a", "c/b", "c/d"]) expect(after.get(id)?.x).toBe(before.get(id)?.x);
    expect((after.get("c/d")?.y ?? 0) - (after.get("c/b")?.y ?? 0)).toBe((before.get("c/d")?.y ?? 0) - (before.get("c/b")?.y ?? 0));
  });
  test("every way has a path, and goes around what stands between", () => {
    const drawing = drawingOf(graph(edge("c/worker", "c/facts"), edge("c/facts", "c/db"), edge("c/worker", "c/db")), plain);
    const place = placed(drawing, new Map(), true);
    const ways = waysOf(drawing, place);
    const facts = place.nodes.get("c/facts") as Box;
    expect(ways.size).toBe(3);
    expect(ways.get("c/worker>c/db")?.y).toBeGreaterThan(facts.y + facts.height);
  });
  test("a container is high enough for the ways inside it", () => {
    const drawing = drawingOf(graph(edge("a/x", "a/y"), edge("a/y", "a/z"), edge("a/x", "a/z")), plain);
    const place = placed(drawing, new Map(), true);
    const ways = waysOf(drawing, place);
    const box = enclosing(drawing, place, ways).get("a") as Box;
    expect(box.height).toBeGreaterThan((place.spaces.get("a") as Box).height);
    for (const way of ways.values()) expect(way.y).toBeLessThan(box.y + box.height);
  });
});
