import { describe, expect, test } from "vitest";
import { Book, MOST_ROWS, rowIdOf } from "../src/flows/book";
import { added, current, joined, summed } from "../src/flows/merge";
import type { Series } from "../src/api/types";
import { flow, hit } from "./flow";

const profile = hit({ kind: "Profile", name: "kns.catfacts", namespace: "", tier: "", action: "Allow" });
const source = flow({ id: "f2", reporter: "Src", action: "Allow", policies: { enforced: [profile], pending: [profile] }, packets_in: 0, packets_out: 3, bytes_in: 0, bytes_out: 180 });

describe("both reporters become one row", () => {
  test("denied on arrival speaks, whatever the source says", () => {
    const row = joined("c1", [source, flow()], 1);
    expect([row.verdict, row.flow.id]).toEqual(["denied-arriving", "f1"]);
  });

  test("denied on leaving", () => expect(joined("c1", [flow({ reporter: "Src" })], 1).verdict).toBe("denied-leaving"));

  test("their counts are never added up", () => {
    const row = joined("c1", [source, flow()], 1);
    expect([row.forward, row.back, row.packets, row.connections]).toEqual([180, 0, 3, 1]);
  });

  test("in and out are turned to there and back", () => {
    const dst = flow({ action: "Allow", bytes_in: 10, bytes_out: 70 });
    const src = flow({ id: "f2", reporter: "Src", action: "Allow", bytes_in: 70, bytes_out: 10 });
    for (const flows of [[dst], [src], [src, dst]]) expect([joined("c", flows, 1).forward, joined("c", flows, 1).back]).toEqual([10, 70]);
  });

  test("when both allow, a policy speaks before a profile", () => {
    const judged = flow({ id: "f3", reporter: "Src", action: "Allow", policies: { enforced: [hit({ action: "Allow" })], pending: [] } });
    const plain = flow({ action: "Allow", policies: { enforced: [profile], pending: [profile] } });
    expect(joined("c", [plain, judged], 1).flow.id).toBe("f3");
  });
});

describe("verdicts over time", () => {
  const before = flow({ id: "old", action: "Allow", policies: { enforced: [profile], pending: [hit()] }, end_time: "2026-11-25T10:30:00.000Z" });

  test("the newest of each reporter holds, and the change is told", () => {
    const row = joined("c1", [before, flow()], 1);
    expect([row.verdict, row.changed]).toEqual(["denied-arriving", true]);
  });

  test("after leaving is denied, older arrivals no longer count", () => {
    const leaving = flow({ id: "f4", reporter: "Src", start_time: "2026-11-25T10:31:00.000Z" });
    expect(current([before, leaving]).map((one) => one.id)).toEqual(["f4"]);
  });

  test("what staged policies would change is told", () => expect(joined("c", [before], 1).staged).toBe("Deny"));
  test("and nothing when they agree", () => expect(joined("c", [flow()], 1).staged).toBeNull());
});

describe("records of one key add up", () => {
  const later = flow({ start_time: "2026-11-25T10:31:01.000Z", end_time: "2026-11-25T10:31:02.000Z" });

  test("counts add, times widen, and the order of arrival is no matter", () => {
    for (const sum of [added(added(undefined, flow(), 2), later, 2), added(added(undefined, later, 2), flow(), 2)]) {
      expect([sum.bytes_in, sum.connections_started, sum.start_time, sum.end_time]).toEqual([360, 2, flow().start_time, later.end_time]);
    }
  });

  test("history moves on with time and keeps its length", () => {
    let sum = added(undefined, flow(), 1);
    for (let second = 0; second < 100; second += 1) {
      const at = (offset: number): string => new Date(Date.parse("2026-11-25T10:32:00.000Z") + 1000 * (second + offset)).toISOString();
      sum = added(sum, flow({ start_time: at(0), end_time: at(1) }), 1);
    }
    expect(sum.series?.bytes).toEqual(new Array(30).fill(180));
  });
});

describe("histories of several keys", () => {
  const from = "2026-11-25T10:30:00.000Z";
  test("are added up, slice by slice", () => {
    const one = { from, step_s: 2, bytes: Array.from({ length: 30 }, (_, i) => i) };
    expect(summed([one, one])?.bytes).toEqual(one.bytes.map((value) => 2 * value));
    expect(summed([one])).toBe(one);
    expect(summed([])).toBeNull();
  });
  test("with other slices keep their sum and their place in time", () => {
    const coarse = { from, step_s: 2, bytes: new Array<number>(30).fill(0) };
    const fine = { from: "2026-11-25T10:30:30.000Z", step_s: 1, bytes: new Array<number>(30).fill(5) };
    const { bytes, step_s } = summed([coarse, fine]) as Series;
    expect([step_s, bytes.slice(0, 15).every((value) => value === 0), bytes.slice(15).every((value) => value === 10)]).toEqual([2, true, true]);
  });
  test("of the end that saw more are those of the row, with all verdicts of the window", () => {
    const series = (value: number) => ({ from, step_s: 2, bytes: new Array<number>(30).fill(value) });
    const before = flow({ id: "before", series: series(7) });
    const after = flow({ id: "after", action: "Deny", series: series(1), end_time: "2026-11-25T10:40:00.000Z" });
    expect(joined("c1", [after, before], 1).series?.bytes).toEqual(new Array(30).fill(8));
  });
});

describe("the book", () => {
  test("joins by connection, or by key and 15 seconds", () => {
    expect(rowIdOf(flow(), "connection")).toBe("c1");
    const [one, two] = ["10:31:00", "10:31:14"].map((time) => rowIdOf(flow({ start_time: `2026-11-25T${time}.000Z` }), "reporter"));
    expect(one).toBe(two);
    expect(rowIdOf(flow({ start_time: "2026-11-25T10:31:15.000Z" }), "reporter")).not.toBe(one);
  });

  test("says how many rows are new", () => {
    const book = new Book("connection", 1);
    expect(book.take([flow(), source, flow({ connection: "c2" })])).toBe(2);
    expect(book.take([flow()])).toBe(0);
  });

  test("never keeps more rows than its limit, and lets the oldest go", () => {
    const book = new Book("connection", 1);
    const many = Array.from({ length: MOST_ROWS + 1 }, (_, i) => flow({ connection: `c${i}`, end_time: new Date(1_000_000_000_000 + i * 1000).toISOString() }));
    expect(book.take(many)).toBe(MOST_ROWS + 1);
    expect(book.size).toBeLessThanOrEqual(MOST_ROWS);
    const kept = new Set(book.list().map((row) => row.id));
    expect([kept.has("c0"), kept.has(`c${MOST_ROWS}`)]).toEqual([false, true]);
  });

  test("what has left the window is forgotten, and so are its counts", () => {
    const book = new Book("connection", 1);
    book.take([flow(), flow({ connection: "c2", end_time: "2026-11-25T11:00:00.000Z" })]);
    expect(book.forget(Date.parse("2026-11-25T10:59:00.000Z"))).toBe(true);
    expect(book.forget(Date.parse("2026-11-25T10:59:00.000Z"))).toBe(false);
    expect(book.list().map((row) => row.id)).toEqual(["c2"]);
    expect(book.take([flow()])).toBe(1);
    expect(book.list().find((row) => row.id === "c1")?.flow.bytes_in).toBe(flow().bytes_in);
  });

  test("a row that has not changed is the same object", () => {
    const book = new Book("connection", 1);
    book.take([flow(), flow({ connection: "c2" })]);
    const [one, two] = book.list();
    book.take([flow()]);
    const [changed, same] = book.list();
    expect([changed === one, same === two]).toEqual([false, true]);
  });
});
