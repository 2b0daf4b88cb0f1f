/** All Flows and Denied Flows, the latter with its count; the filters stay. */
import { go, hrefOf, useAddress } from "../address/address";
import type { Scope } from "../address/scope";
import { useTotal } from "../api/queries";
import { count } from "../format/numbers";
import type { Group } from "./book";

export function Tabs({ denied, q, scope, group }: { denied: boolean; q: string; scope: Scope; group: Group }) {
  const { params } = useAddress();
  const number = useTotal(`${q} action=Deny`.trim(), scope.range, group);
  const next = new URLSearchParams(params);
  for (const key of ["open", "tab", "flow"]) next.delete(key);
  const tab = (screen: string, title: string, here: boolean, badge?: number) => (
    <a
      href={hrefOf(screen, next)}
      className={here ? "tab here" : "tab"}
      aria-current={here ? "page" : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey) return;
        event.preventDefault();
        go(screen, next);
      }}
    >
      {title}
      {badge !== undefined && <span className={badge ? "badge bad" : "badge"}>{count(badge)}</span>}
    </a>
  );
  return (
    <nav className="tabs" aria-label="Flows">
      {tab("flow-logs", "All Flows", !denied)}
      {tab("flow-logs/denied-flows", "Denied Flows", denied, number)}
    </nav>
  );
}
