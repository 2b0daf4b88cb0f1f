/** What flows: for each link one flow per reporter, with counts that are a function of time, so that nothing is stored. */
import { digest, hash, mix } from "./random.mjs";
import { walk } from "./judge.mjs";

export const BUCKET_S = 15;
const MOST_BUCKETS = 480;

function ends(link) {
  const side = (end, prefix) => ({
    [`${prefix}_name`]: end.name, [`${prefix}_namespace`]: end.namespace, [`${prefix}_type`]: end.type,
    [`${prefix}_labels`]: end.labels, [`${prefix}_ip`]: end.pods.length === 1 ? end.pods[0].ip : (end.addresses?.[0] ?? ""),
  });
  return { ...side(link.source, "source"), ...side(link.dest, "dest"), dest_port: link.port, protocol: link.protocol,
    dest_service_name: link.service.name, dest_service_namespace: link.service.namespace,
    dest_service_port_name: link.service.portName, dest_service_port: link.service.port };
}

function flowOf(link, reporter, enforced, action, pending) {
  const node = (reporter === "Src" ? link.source : link.dest).pods[0]?.node ?? "a";
  const policies = { enforced, pending };
  return { id: digest(link.id + reporter + action + JSON.stringify(policies)), connection: digest(link.id), ...ends(link), reporter, action, policies, node };
}

function flowsOf(rules, link) {
  const made = [];
  let open = true;
  for (const [direction, reporter] of [["Egress", "Src"], ["Ingress", "Dst"]]) {
    const now = walk(rules, link, direction, false);
    if (!now || !open) continue;
    const pending = walk(rules, link, direction, true).hits;
    const kept = link.kept && now.verdict === "Deny";
    const enforced = kept ? [{ kind: "Profile", name: `kns.${now.walk.namespace}`, namespace: "", tier: "", action: "Allow", policy_index: 0, rule_index: 0, trigger: null }] : now.hits;
    made.push(flowOf(link, reporter, enforced, kept ? "Allow" : now.verdict, pending));
    open = kept || now.verdict === "Allow";
  }
  return made.map((flow) => ({ flow, link, denied: made.some((one) => one.action === "Deny") }));
}

/** All flows of a world under some rules, as { flow, link, denied }; `denied`: the connection comes to nothing. */
export function flowsOfWorld(world, rules) {
  return world.links.flatMap((link) => flowsOf(rules, link));
}

/** Connections begun in a 15-second bucket. */
function begun(link, bucket) {
  link.seed ??= hash(link.id);
  const a = mix(link.seed ^ bucket) / 2 ** 32;
  const b = mix(link.seed + bucket * 7919) / 2 ** 32;
  const tide = 1 + 0.4 * Math.sin(bucket / 40 + link.seed);
  return Math.floor(link.rate * BUCKET_S * (0.4 + 1.2 * a) * tide + b * (link.rate > 0.05 ? 1 : 0.3));
}

/** Connections begun in [from, to), seconds since 1970. Long spans are sampled and scaled. */
export function connections(link, from, to) {
  const first = Math.floor(from / BUCKET_S);
  const last = Math.floor((to - 1) / BUCKET_S);
  const stride = Math.max(1, Math.ceil((last - first + 1) / MOST_BUCKETS));
  let sum = 0;
  for (let bucket = first; bucket <= last; bucket += stride) {
    const count = begun(link, bucket);
    const low = Math.max(0, from - bucket * BUCKET_S);
    const high = Math.min(BUCKET_S, to - bucket * BUCKET_S);
    sum += Math.floor((count * high) / BUCKET_S) - Math.floor((count * low) / BUCKET_S);
  }
  return sum * stride;
}

const NOTHING = { packets_in: 0, packets_out: 0, bytes_in: 0, bytes_out: 0 };

/** The counts of a flow for so many connections. */
export function counts({ flow, link, denied }, begun_, live = 1) {
  const forward = denied ? begun_ * 3 : begun_ * Math.ceil(link.sent / 200 + 2);
  const back = denied ? 0 : begun_ * Math.ceil(link.received / 1200 + 2);
  const sent = Math.round(denied ? forward * 60 : begun_ * link.sent);
  const received = Math.round(denied ? 0 : begun_ * link.received);
  const moved = flow.reporter === "Dst"
    ? { packets_in: forward, packets_out: back, bytes_in: sent, bytes_out: received }
    : { packets_in: back, packets_out: forward, bytes_in: received, bytes_out: sent };
  return { ...NOTHING, ...moved, connections_started: begun_, connections_completed: denied ? 0 : Math.max(0, begun_ - live), connections_live: denied ? 0 : live };
}

export const iso = (second) => new Date(second * 1000).toISOString();

/** The flow with its counts over [from, to), or null when nothing happened. */
export function over(entry, from, to) {
  const count = connections(entry.link, from, to);
  return count ? { ...entry.flow, start_time: iso(from), end_time: iso(to), ...counts(entry, count), series: null } : null;
}

/** Bytes both ways in `slices` slices of [from, to). */
export function series(entry, from, to, slices = 30) {
  const step = Math.max(1, Math.ceil((to - from) / slices));
  const bytes = Array.from({ length: slices }, (_, i) => {
    const one = counts(entry, connections(entry.link, to - step * (slices - i), to - step * (slices - i - 1)));
    return one.bytes_in + one.bytes_out;
  });
  return { from: iso(to - step * slices), step_s: step, bytes };
}
