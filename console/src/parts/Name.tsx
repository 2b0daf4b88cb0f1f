/** Names of ends and policies, always as text. */
import type { MouseEvent } from "react";
import { go, hrefOf, useAddress } from "../address/address";
import { carried } from "../address/scope";
import type { EndType, PolicyRef } from "../api/types";
import { nameParts, policyKey } from "../format/words";

/** A workload: its namespace dimmed, its name strong, what its ReplicaSet added dimmed. */
export function EndName({ namespace, name, type, bare = false }: { namespace: string; name: string; type?: EndType; bare?: boolean }) {
  const [main, rest] = nameParts(name);
  return (
    <span className="end" title={`${namespace === "-" ? "" : `${namespace}/`}${name}${type && type !== "WorkloadEndpoint" ? ` (${type})` : ""}`}>
      {!bare && namespace !== "-" && <span className="faint">{namespace}/</span>}
      <strong>{main}</strong>
      <span className="faint">{rest}</span>
    </span>
  );
}

/** A link to another screen that keeps namespace and time. */
export function ScreenLink({ screen, set = {}, children, className, title }: { screen: string; set?: Record<string, string>; children: React.ReactNode; className?: string; title?: string }) {
  const { params } = useAddress();
  const next = carried(params);
  for (const [key, value] of Object.entries(set)) next.set(key, value);
  const follow = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    go(screen, next);
  };
  return (
    <a href={hrefOf(screen, next)} onClick={follow} className={className} title={title}>
      {children}
    </a>
  );
}

export function PolicyLink({ policy, children }: { policy: PolicyRef; children?: React.ReactNode }) {
  return (
    <ScreenLink screen="policies" set={{ policy: policyKey(policy) }}>
      {children ?? policy.name}
    </ScreenLink>
  );
}
