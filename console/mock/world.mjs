/**
 * Who exists and who talks to whom: the catfacts application, and around it as many workloads as asked for.
 *
 * A workload is { type, namespace, app, name, labels, pods }, a link { source, dest, port, protocol, service, rate, … }.
 */
import { generator, hash } from "./random.mjs";

const NODES = ["a", "b", "c"];
const TEAMS = ["shop", "payments", "search", "media", "auth", "orders", "billing", "reports", "mail", "chat", "maps", "ads",
  "stock", "pricing", "fraud", "exports", "tickets", "wiki", "builds", "metrics", "tracing", "gateway", "profiles",
  "reviews", "carts", "loyalty", "returns", "shipping", "routing"];
const ROLES = ["web", "api", "jobs", "cache", "store", "index", "sync", "admin", "feed", "events"];
const STORES = new Map([["store", [5432, "postgres"]], ["cache", [6379, "redis"]], ["index", [9200, "search"]]]);

function workload(namespace, app, replicas = 1, extra = []) {
  const template = (hash(`${namespace}/${app}`) % 0xfffffff).toString(16).padStart(7, "0") + "b9";
  const pods = Array.from({ length: replicas }, (_, i) => ({
    name: `${app}-${template}-${(hash(app + namespace + i) % 60466176).toString(36).padStart(5, "x")}`,
    ip: `10.65.${hash(namespace) % 200}.${2 + ((hash(app + namespace) + i) % 250)}`,
    node: NODES[(hash(app) + i) % NODES.length],
  }));
  return {
    type: "WorkloadEndpoint", namespace, app, name: `${app}-${template}-*`,
    labels: [`app=${app}`, ...extra, `pod-template-hash=${template}`].sort(), pods,
  };
}

function other(type, name, addresses, namespace = "-", labels = []) {
  return { type, namespace, app: name, name, labels, pods: [], addresses };
}

function link(source, dest, port, rate, { protocol = "tcp", portName = "-", sent = 600, received = 2400, ...rest } = {}) {
  const service = dest.type === "WorkloadEndpoint" && rest.service !== false
    ? { name: rest.serviceName ?? dest.app, namespace: dest.namespace, portName, port: rest.servicePort ?? port }
    : { name: "-", namespace: "-", portName: "-", port: 0 };
  return { source, dest, port, protocol, service, rate, sent, received, kept: rest.kept ?? false };
}

function catfacts(publicNet) {
  const [db, facts, worker] = ["db", "facts", "worker"].map((app) => workload("catfacts", app));
  return {
    workloads: [db, facts, worker],
    links: [
      link(worker, publicNet, 443, 0.1, { sent: 900, received: 5200, kept: true }),
      link(worker, db, 3306, 0.6, { portName: "mysql", sent: 700, received: 300 }),
      link(facts, db, 3306, 0.4, { portName: "mysql", sent: 300, received: 1900 }),
      link(worker, facts, 80, 0.7, { portName: "http", sent: 500, received: 900 }),
    ],
  };
}

function neighbours(publicNet) {
  const dns = workload("kube-system", "coredns", 2, ["k8s-app=kube-dns"]);
  const nginx = workload("quickstart", "nginx");
  const access = { ...workload("quickstart", "access"), name: "access", labels: ["run=access"] };
  const set = other("NetworkSet", "facts-service", ["10.96.41.7"], "catfacts", ["kind=service"]);
  const node = other("HostEndpoint", "node-a", ["192.0.2.11"]);
  return {
    workloads: [dns, nginx, access], others: [set, node],
    links: [
      link(access, dns, 53, 0.3, { protocol: "udp", serviceName: "kube-dns", portName: "dns", sent: 90, received: 180 }),
      link(access, nginx, 80, 0.2, { portName: "-", sent: 180, received: 900 }),
      link(access, publicNet, 443, 0.05, { sent: 700, received: 4000 }),
      link(access, set, 2048, 0.05, { protocol: "icmp", sent: 98, received: 0 }),
      link(node, nginx, 80, 0.1, { service: false, sent: 120, received: 300 }),
    ],
  };
}

function team(namespace, size, random, shared) {
  const made = ROLES.slice(0, size).map((role) => workload(namespace, role, 1 + Math.floor(random() * 3), [`team=${namespace}`]));
  const links = [];
  const pick = (list) => list[Math.floor(random() * list.length)];
  for (const source of made) {
    for (const dest of made) {
      const store = STORES.get(dest.app);
      if (source === dest || STORES.has(source.app) || (dest.app === "web" && source.app !== "admin")) continue;
      if (random() < (store ? 0.6 : 0.35)) {
        const [port, portName] = store ?? [8080, "http"];
        links.push(link(source, dest, port, 0.02 + random() * random(), { portName, received: 300 + random() * 9000 }));
      }
    }
    if (random() < 0.7) links.push(link(source, shared.dns, 53, 0.05, { protocol: "udp", serviceName: "kube-dns", portName: "dns", sent: 90, received: 200 }));
    for (const far of shared.apis) if (far.namespace !== namespace && random() < 0.12) links.push(link(source, far, 8080, random() * 0.3, { portName: "http" }));
    if (random() < 0.15) links.push(link(source, pick(shared.outside), 443, random() * 0.2, { received: 6000 }));
  }
  const web = made[0];
  links.push(link(shared.outside[0], web, 8443, 0.4, { portName: "https", sent: 800, received: 14000 }));
  return { workloads: made, links };
}

function teams(count, random, shared) {
  const workloads = [];
  const links = [];
  for (const namespace of TEAMS) {
    const size = Math.min(ROLES.length, count - workloads.length);
    if (size <= 0) break;
    const made = team(namespace, Math.min(size, count < 50 ? 8 : 10), random, shared);
    workloads.push(...made.workloads);
    links.push(...made.links);
    shared.apis.push(...made.workloads.filter((one) => one.app === "api"));
  }
  return { workloads, links };
}

/** The same links again on the ports above: many kinds of connections between few workloads. */
function onPorts(links, ports) {
  return links.flatMap((one) => Array.from({ length: ports }, (_, i) => ({ ...one, port: one.port + i })));
}

/** Build `count` workloads (3: only catfacts) from a seed; every link is there on so many `ports`. */
export function makeWorld(count, seed, ports = 1) {
  const random = generator(seed);
  const publicNet = other("Network", "PUBLIC NETWORK", ["198.51.100.20", "203.0.113.7"]);
  const privateNet = other("Network", "PRIVATE NETWORK", ["10.200.3.4"]);
  const parts = [catfacts(publicNet)];
  if (count > 3) {
    const near = neighbours(publicNet);
    parts.push(near, teams(count - 6, random, { dns: near.workloads[0], apis: [], outside: [publicNet, privateNet] }));
  }
  const links = onPorts(parts.flatMap((part) => part.links), ports);
  for (const one of links) one.id = `${one.source.namespace}/${one.source.name}>${one.dest.namespace}/${one.dest.name}:${one.port}/${one.protocol}`;
  const ends = new Set(links.flatMap((one) => [one.source, one.dest]));
  return {
    links, nodes: NODES, workloads: parts.flatMap((part) => part.workloads),
    others: [...ends].filter((end) => end.type !== "WorkloadEndpoint"),
    namespaces: [...new Set(parts.flatMap((part) => part.workloads.map((one) => one.namespace)))].sort(),
  };
}
