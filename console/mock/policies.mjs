/** The policies in force: those of the course, and some for the other namespaces. Rules are data, read by judge.mjs. */
import { manifest } from "./manifest.mjs";

const TIERS = [
  { name: "security", order: 100, default_action: "Deny", builtin: false },
  { name: "platform", order: 200, default_action: "Deny", builtin: false },
  { name: "application-catfacts", order: 300, default_action: "Deny", builtin: false },
  { name: "adminnetworkpolicy", order: 1000, default_action: "Pass", builtin: true },
  { name: "kube-admin", order: 1000, default_action: "Pass", builtin: true },
  { name: "default", order: 1000000, default_action: "Deny", builtin: true },
  { name: "baselineadminnetworkpolicy", order: 10000000, default_action: "Pass", builtin: true },
  { name: "kube-baseline", order: 10000000, default_action: "Pass", builtin: true },
];

function rule(direction, action, { protocol = null, apps = null, nets = null, ports = null, anywhere = false } = {}) {
  return { direction, action, protocol, apps, nets, ports, anywhere };
}

function policy(tier, namespace, name, order, select, rules, { kind, types, staged = false } = {}) {
  const made = {
    kind: kind ?? (namespace === "-" ? "GlobalNetworkPolicy" : "CalicoNetworkPolicy"),
    tier, namespace: namespace === "-" ? "" : namespace, name, order, select, rules, staged,
    types: types ?? [...new Set(rules.map((one) => one.direction))],
  };
  return { ...made, ...manifest(made) };
}

const only = (app) => ({ app });
const IN = "Ingress";
const OUT = "Egress";

function forCatfacts(fixed) {
  const tier = "application-catfacts";
  return [
    policy(tier, "catfacts", "db", 100, only("db"), [rule(IN, "Allow", { protocol: "tcp", apps: ["worker", "facts"], ports: [3306] })]),
    policy(tier, "catfacts", "facts", 110, only("facts"), [
      rule(IN, fixed ? "Allow" : "Deny", { protocol: "tcp", ports: [80] }),
      rule(OUT, "Allow", { protocol: "tcp", apps: ["db"], ports: [3306] }),
    ]),
    policy(tier, "catfacts", "worker", 120, only("worker"), [
      rule(OUT, "Allow", { protocol: "tcp", apps: ["facts"], ports: [80] }),
      rule(OUT, "Allow", { protocol: "tcp", apps: [], ports: [443] }),
      rule(OUT, "Allow", { protocol: "tcp", apps: ["db"], ports: [3306] }),
    ]),
  ];
}

const dns = () => policy("platform", "-", "allow-kube-dns", 200, {}, [
  rule(OUT, "Allow", { protocol: "udp", apps: ["coredns"], ports: [53], anywhere: true }),
  rule(OUT, "Allow", { protocol: "tcp", apps: ["coredns"], ports: [53], anywhere: true }),
  rule(OUT, "Pass"),
]);

function forTeam(namespace) {
  const stores = { store: 5432, cache: 6379 };
  const made = Object.entries(stores).map(([app, port], i) =>
    policy("default", namespace, `${app}-in`, 100 + i, only(app), [
      rule(IN, "Allow", { protocol: "tcp", apps: ["api", "jobs"], ports: [port] }),
    ], namespace.length % 2 ? {} : { kind: "NetworkPolicy" }));
  if (namespace.length % 3 === 0) {
    made.push(policy("default", namespace, "default-deny", 10000, {}, [], { kind: "StagedNetworkPolicy", types: [IN, OUT], staged: true }));
  }
  return made;
}

/** All policies for a world; `fixed` is the course's step 11, `denied` a cluster where everything is refused. */
export function makePolicies(world, { fixed, denied }) {
  const policies = [dns(), ...forCatfacts(fixed)];
  if (denied) policies.unshift(policy("security", "-", "lockdown", 1, {}, [rule(IN, "Deny"), rule(OUT, "Deny")]));
  if (world.workloads.length > 3) {
    policies.push(
      policy("security", "-", "block-known-bad", 10, {}, [
        rule(OUT, "Deny", { nets: ["203.0.113.0/28"], ports: [25] }), rule(OUT, "Pass"),
      ]),
      policy("default", "quickstart", "default-deny-quickstart", 100000, {}, [], { kind: "StagedNetworkPolicy", types: [IN, OUT], staged: true }),
      ...world.namespaces.filter((name) => !["catfacts", "quickstart", "kube-system"].includes(name)).flatMap(forTeam),
    );
  }
  return { tiers: TIERS, policies: policies.sort((a, b) => a.order - b.order || a.name.localeCompare(b.name)) };
}
