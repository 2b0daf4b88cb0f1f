/** The words for what flows and policies are; the same everywhere. */
import type { Flow, Hit, HitKind, PolicyRef, Reporter } from "../api/types";

/** Split a group's name into what people call it and what the ReplicaSet added: ["db", "-7c9d8f5b6-*"]. */
export function nameParts(name: string): [string, string] {
  const match = /^(.+?)((?:-(?=[a-z]*\d)[a-z0-9]{6,10})?-\*)$/.exec(name);
  return match ? [match[1] ?? name, match[2] ?? ""] : [name, ""];
}

export const plainName = (name: string): string => nameParts(name)[0];

export const REPORTERS: Record<Reporter, string> = { Src: "Source", Dst: "Destination" };

const KINDS: Record<HitKind, string> = {
  CalicoNetworkPolicy: "policy",
  GlobalNetworkPolicy: "global policy",
  StagedNetworkPolicy: "staged policy",
  StagedGlobalNetworkPolicy: "staged global policy",
  StagedKubernetesNetworkPolicy: "staged Kubernetes policy",
  NetworkPolicy: "Kubernetes policy",
  AdminNetworkPolicy: "admin policy",
  BaselineAdminNetworkPolicy: "baseline policy",
  ClusterNetworkPolicy: "cluster policy",
  Profile: "profile",
  EndOfTier: "end of tier",
};

export const kindWord = (kind: HitKind): string => KINDS[kind] ?? kind;

export const isStaged = (kind: HitKind): boolean => kind.startsWith("Staged");

/** The hit that ended the walk. */
export function decidingHit(flow: Flow): Hit | undefined {
  return flow.policies.enforced.at(-1);
}

/** What would apply to a new connection if staged policies were enforced; undefined where nobody said. */
export function stagedAction(flow: Flow): string | undefined {
  return flow.policies.pending.at(-1)?.action;
}

/** The policy a hit is about: for an end of tier the one held responsible; none for a profile. */
export function policyOf(hit: Hit): PolicyRef | null {
  if (hit.kind === "Profile") return null;
  const { kind, namespace, name, tier } = hit.trigger ?? hit;
  return { kind, namespace, name, tier: tier || hit.tier };
}

/** Rules count from 1 for people. */
export function ruleWord(index: number): string {
  return index < 0 ? "end of tier" : `rule ${index + 1}`;
}

/** kind/tier/namespace/name, as filters and links spell a policy. */
export function policyKey(ref: PolicyRef): string {
  return [ref.kind, ref.tier, ref.namespace, ref.name].join("/");
}

/** "policy facts in tier application-catfacts". */
export function policyPhrase(ref: PolicyRef): string {
  return `${kindWord(ref.kind)} ${ref.name} in tier ${ref.tier}`;
}

/** "tcp" → "TCP". */
export const protocolWord = (protocol: string): string => (/^[a-z]/.test(protocol) ? protocol.toUpperCase() : `protocol ${protocol}`);
