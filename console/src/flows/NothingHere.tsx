/** Why the table is empty, and what to do next. */
import { alter } from "../address/address";
import { changesTo } from "../filters/filters";
import type { Scope } from "../address/scope";
import { Failed, Notice } from "../parts/States";
import { rangeWord } from "../frame/TimePicker";
import type { View } from "./useRows";

export function NothingHere({ view, filtered, denied, scope }: { view: View; filtered: boolean; denied: boolean; scope: Scope }) {
  if (view.error) return <Failed what="Flows" error={view.error} {...(view.stream?.kind === "broken" ? { since: view.stream.since, next: view.stream.retryAt } : {})} />;
  const when = rangeWord(scope.range).toLowerCase();
  if (denied && filtered) {
    return (
      <Notice title="No denied flows">
        <p>Nothing that meets the filters was denied ({when}). That is good news, unless you expected otherwise.</p>
        <button type="button" onClick={() => alter({ start_time: "60", from: null, to: null })}>Look at the last hour</button>
      </Notice>
    );
  }
  if (filtered) {
    return (
      <Notice title="No flow meets the filters">
        <p>There may be others ({when}). Turn a filter off above, or begin again.</p>
        <button type="button" className="primary" onClick={() => alter({ ...changesTo([]), q: null, namespace: null })}>Clear all filters</button>
      </Notice>
    );
  }
  return (
    <Notice title="No flows yet">
      <p>catfacts sends some every second: is it running?</p>
      <pre><code>kubectl get pods -n catfacts</code></pre>
      <p>If it is, look whether the agent of its node reports, at the light above.</p>
    </Notice>
  );
}
