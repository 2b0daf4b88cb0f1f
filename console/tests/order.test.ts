import { describe, expect, test } from "vitest";
import { joined } from "../src/flows/merge";
import { held, lastSeenKey, sorted, sortOf } from "../src/flows/order";
import { moved } from "../src/flows/layout";
import { flow } from "./flow";

const row = (id: string, second: number, seq: number) => joined(id, [flow({ end_time: new Date(1_700_000_000_000 + second * 1000).toISOString() })], seq);

describe("order", () => {
  test("busy rows keep their places, quiet ones sink", () => {
    const rows = [row("busy", 100, 1), row("busier", 105, 2), row("quiet", 10, 3)];
    expect(sorted(rows, lastSeenKey(rows), true).map((one) => one.id)).toEqual(["busier", "busy", "quiet"]);
    const later = [row("busy", 110, 1), row("busier", 106, 2), row("quiet", 10, 3)];
    expect(sorted(later, lastSeenKey(later), true).map((one) => one.id)).toEqual(["busier", "busy", "quiet"]);
  });
  test("ties: the newest arrival first, in both directions", () => {
    const rows = [row("a", 0, 1), row("b", 0, 2)];
    for (const descending of [true, false]) expect(sorted(rows, () => 0, descending).map((one) => one.id)).toEqual(["b", "a"]);
  });
  test("while held, new rows are counted, gone ones stay, values are renewed", () => {
    const view = held([row("a", 1, 1), row("gone", 2, 2)], [row("new", 9, 3), row("a", 8, 1)]);
    expect([view.rows.map((one) => one.id), view.fresh]).toEqual([["a", "gone"], 1]);
    expect(view.rows[0]?.lastMs).toBe(1_700_000_008_000);
  });
  test("the sort in the address", () => {
    const usual = { column: "last_seen", descending: true };
    expect([sortOf(null, usual), sortOf("-bytes", usual), sortOf("port", usual)]).toEqual([usual, { column: "bytes", descending: true }, { column: "port", descending: false }]);
  });
  test("moving a column", () => expect(moved(["a", "b", "c"], "c", "a")).toEqual(["c", "a", "b"]));
});
