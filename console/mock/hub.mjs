/** The state of a pretended hub: a world, the policies in force, the flows they lead to, and what went wrong. */
import { makeWorld } from "./world.mjs";
import { makePolicies } from "./policies.mjs";
import { flowsOfWorld } from "./traffic.mjs";

const EVIL = "<img src=x onerror=document.title='owned'>";

/** Scenarios: default, empty (no flows), denied (everything is), hostile (names, labels and annotations that are markup). */
export class Hub {
  constructor({ workloads = 30, ports = 1, seed = 7, scenario = "default", token = "" } = {}) {
    this.token = token;
    this.scenario = scenario;
    this.started = Math.floor(Date.now() / 1000);
    this.world = makeWorld(workloads, seed, ports);
    this.losses = [];
    this.failing = false;
    if (scenario === "hostile") this.disguise();
    this.govern(false);
  }

  /** Put the policies in force; `fixed` is the course's step 11. */
  govern(fixed) {
    this.rules = makePolicies(this.world, { fixed, denied: this.scenario === "denied" });
    if (this.scenario === "hostile") {
      for (const policy of this.rules.policies) policy.yaml = policy.yaml.replace("metadata:\n", `metadata:\n  annotations:\n    note: "${EVIL}"\n`);
    }
    this.entries = this.scenario === "empty" ? [] : flowsOfWorld(this.world, this.rules);
  }

  disguise() {
    for (const one of this.world.workloads) one.labels = [...one.labels, `note=${EVIL}`, `"><script>document.title='owned'</script>=x`];
    this.world.workloads[0].name = `${EVIL}-*`;
  }

  lagMs() {
    return 280 + (Math.floor(Date.now() / 2000) % 5) * 30;
  }

  notes() {
    return this.losses.map((loss) => `${loss.records.toLocaleString("en")} records lost at node ${loss.node}`);
  }

  lose(records) {
    const loss = { node: "b", records, since: new Date().toISOString(), reason: "the agent's queue was full" };
    this.losses.push(loss);
    return loss;
  }

  session() {
    return this.token
      ? { login: "kubernetes", user: "system:serviceaccount:catfacts:reader", all_namespaces: false, namespaces: ["catfacts"], shared_policies: false }
      : { login: "none", user: "", all_namespaces: true, namespaces: [], shared_policies: true };
  }

  status() {
    const now = new Date().toISOString();
    return { version: "0.1.0", now, lag_ms: this.lagMs(), flows_per_s: this.entries.length, losses: this.losses,
      oldest: this.entries.length ? new Date((this.started - 7 * 86400) * 1000).toISOString() : null,
      nodes: this.world.nodes.map((name) => ({ name, last_seen: now })), namespaces: this.world.namespaces };
  }
}
