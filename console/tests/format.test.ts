import { describe, expect, test } from "vitest";
import { bytes, count, counted, perSecond, short } from "../src/format/numbers";
import { ago, span } from "../src/format/times";
import { nameParts, policyOf, ruleWord } from "../src/format/words";
import { courseFlow, policiesText } from "../src/flow/shape";
import { flow, hit } from "./flow";

describe("numbers", () => {
  test.each([[0, "0 B"], [999, "999 B"], [1000, "1 kB"], [1234567, "1.2 MB"], [999_960, "1 MB"], [123_456_789_012, "123 GB"], [4e18, "4000 PB"]])("%d bytes are %s", (value, text) => expect(bytes(value)).toBe(text));
  test.each([[0, "0/s"], [0.01, "<0.1/s"], [0.44, "0.4/s"], [340, "340/s"], [12345, "12,345/s"]])("%d per second is %s", (value, text) => expect(perSecond(value)).toBe(text));
  test.each([[999, "999"], [1000, "1 k"], [12_345, "12.3 k"], [999_600, "1 M"]])("%d is %s in short", (value, text) => expect(short(value)).toBe(text));
  test("thousands are told apart", () => expect(count(1234567)).toBe("1,234,567"));
  test("one and many", () => expect([counted(1, "policy", "policies"), counted(2, "policy", "policies"), counted(0, "pod")]).toEqual(["1 policy", "2 policies", "0 pods"]));
});

describe("times", () => {
  test.each([[0, "0 s"], [59, "59 s"], [60, "1 min"], [3600, "1 h"], [47 * 3600, "47 h"], [3 * 86400, "3 d"], [-5, "0 s"]])("%d seconds are %s", (value, text) => expect(span(value)).toBe(text));
  test("relative to now", () => expect([ago(1000, 2000), ago(0, 3000)]).toEqual(["now", "3 s ago"]));
});

describe("words", () => {
  test.each([
    ["db-7c9d8f5b6-*", ["db", "-7c9d8f5b6-*"]], ["db-*", ["db", "-*"]], ["catfact-worker-75467c56d6-*", ["catfact-worker", "-75467c56d6-*"]],
    ["PUBLIC NETWORK", ["PUBLIC NETWORK", ""]], ["access", ["access", ""]], ["my-frontend-*", ["my-frontend", "-*"]],
  ])("%s", (name, parts) => expect(nameParts(name)).toEqual(parts));
  test("rules count from 1, an end of tier is none", () => expect([ruleWord(0), ruleWord(-1)]).toEqual(["rule 1", "end of tier"]));
  test("an end of tier is about its trigger", () => {
    const end = hit({ kind: "EndOfTier", name: "", namespace: "", tier: "default", rule_index: -1, trigger: hit({ name: "deny", tier: "" }) });
    expect(policyOf(end)).toEqual({ kind: "CalicoNetworkPolicy", namespace: "catfacts", name: "deny", tier: "default" });
    expect(policyOf(hit({ kind: "Profile" }))).toBeNull();
  });
});

describe("the course's JSON", () => {
  test("step 3.10, to the letter", () => {
    expect(policiesText(flow({ policies: { enforced: [hit()], pending: [] } }))).toBe(
      '{"enforced":[{"kind":"CalicoNetworkPolicy","name":"facts","namespace":"catfacts","tier":"application-catfacts","action":"Deny","policy_index":0,"rule_index":0,"trigger":null}],"pending":[]}',
    );
  });
  test("begins with the flow API's keys in its order, labels joined", () => {
    const keys = Object.keys(courseFlow(flow()));
    expect(keys.slice(0, 13)).toEqual(["start_time", "end_time", "action", "source_name", "source_namespace", "source_labels", "dest_name", "dest_namespace", "dest_labels", "protocol", "dest_port", "reporter", "policies"]);
    expect(courseFlow(flow({ source_labels: ["a=1", "b=2"] })).source_labels).toBe("a=1 | b=2");
  });
});
