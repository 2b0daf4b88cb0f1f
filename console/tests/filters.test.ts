import { describe, expect, test } from "vitest";
import { changed } from "../src/address/address";
import { rangeOf, windowOf } from "../src/address/scope";
import { changesTo, expressionOf, filtersOf, replaced, toggled, type Filter } from "../src/filters/filters";
// @ts-expect-error The mock hub is plain JavaScript.
import { meets, parse } from "../mock/filter.mjs";
import { flow } from "./flow";

const of = (text: string): Filter[] => filtersOf(new URLSearchParams(text));
const filter = (part: Partial<Filter>): Filter => ({ field: "dest_name", values: ["db-*"], negated: false, off: false, ...part });

describe("the address holds the filters", () => {
  test.each([
    ["a value", [filter({})]],
    ["several values of one field", [filter({ values: ["db-*", "facts-*"] })]],
    ["a negated one beside a plain one", [filter({}), filter({ negated: true, values: ["web"] })]],
    ["one that is off", [filter({ off: true })]],
    ["one that is negated and off", [filter({ off: true, negated: true })]],
    ["a policy", [filter({ field: "policy", values: ["CalicoNetworkPolicy/default//db"] })]],
    ["text that an address escapes", [filter({ values: ["a&b=c %+ü"] })]],
  ])("%s comes back as it was", (_, filters) => {
    const params = changed(new URLSearchParams("start_time=5"), changesTo(filters));
    expect(filtersOf(new URLSearchParams(params.toString()))).toEqual(filters);
    expect(params.get("start_time")).toBe("5");
  });

  test("setting filters forgets those of before", () => {
    const params = changed(new URLSearchParams("dest_name=a&not_source_name=b&off_policy=c"), changesTo([filter({})]));
    expect(params.toString()).toBe("dest_name=db-*");
  });

  test("links of the original console mean the same", () => {
    const policy = JSON.stringify([{ kind: "GlobalNetworkPolicy", tier: "platform" }, { name: "db" }]);
    expect(of(`source_namespace=catfacts&dest_port=3306&policy=${encodeURIComponent(policy)}`).map((one) => one.values)).toEqual([
      ["catfacts"], ["3306"], ["GlobalNetworkPolicy/platform//", "///db"],
    ]);
  });
});

describe("adding and taking away", () => {
  test("a second value joins the first", () => expect(toggled(of("dest_name=a"), "dest_name", "b")).toEqual(of("dest_name=a&dest_name=b")));
  test("the same value again takes it away", () => expect(toggled(of("dest_name=a"), "dest_name", "a")).toEqual([]));
  test("excluding a value that was asked for replaces it", () => expect(toggled(of("dest_name=a"), "dest_name", "a", true)).toEqual(of("not_dest_name=a")));
  test("replacing leaves negated ones alone", () => expect(replaced(of("dest_name=a&not_dest_name=x"), "dest_name", ["b"])).toEqual([...of("not_dest_name=x"), ...of("dest_name=b")]));
});

describe("the expression for the hub", () => {
  test.each([
    ["dest_name=db-*", "dest_name=db-*"],
    ["not_dest_name=db-*", "!dest_name=db-*"],
    ["dest_name=a&dest_name=b&dest_port=80", "dest_name=a,b port=80"],
    ["dest_name=PUBLIC+NETWORK", 'dest_name="PUBLIC NETWORK"'],
    ['dest_name=a"b\\c', 'dest_name="a\\"b\\\\c"'],
    ["off_dest_name=db-*", ""],
  ])("%s is %s", (address, expression) => expect(expressionOf(of(address))).toBe(expression));

  test("tab, namespace and search are clauses too", () =>
    expect(expressionOf([], { denied: true, namespace: "catfacts", search: " db " })).toBe("action=Deny namespace=catfacts db"));

  test.each([
    ["dest_name=facts-*", true], ["not_dest_name=facts-*", false], ["source_name=db-*&source_name=worker-*", true], ["dest_port=3306", false],
    ["policy=///facts", true], ["policy=/default//", false], ["action=Deny&reporter=Dst", true], ["source_label=app:worker", true],
  ])("a hub reads %s as meant", (address, wanted) => expect(meets(flow(), parse(expressionOf(of(address))))).toBe(wanted));
});

describe("time ranges", () => {
  test.each([
    ["", { kind: "live", minutes: 15 }], ["start_time=0", { kind: "live", minutes: 0 }], ["start_time=60", { kind: "live", minutes: 60 }],
    ["start_time=61", { kind: "live", minutes: 15 }], ["start_time=x", { kind: "live", minutes: 15 }], ["from=x&to=y", { kind: "live", minutes: 15 }],
    ["from=2026-11-25T10:00:00Z&to=2026-11-25T11:00:00Z", { kind: "past", from: "2026-11-25T10:00:00Z", to: "2026-11-25T11:00:00Z" }],
  ])("%s", (address, range) => expect(rangeOf(new URLSearchParams(address))).toEqual(range));

  test("what is counted needs at least a minute", () => expect(windowOf({ kind: "live", minutes: 0 })).toEqual({ from: "-60" }));
});
