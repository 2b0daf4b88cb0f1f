/** The one live light: green with the lag, amber with what was lost, red when the hub is away; never silence. */
import { useSyncExternalStore } from "react";
import { HubError } from "../api/client";
import { useStatus } from "../api/queries";
import type { Loss } from "../api/types";
import { count } from "../format/numbers";
import { clock } from "../format/times";
import { Popover } from "../parts/Popover";
import { Countdown } from "../parts/States";
import { liveState } from "./livestate";

function lossText(loss: Loss): string {
  return `${count(loss.records)} records lost at node ${loss.node} since ${clock(loss.since)}`;
}

/** An answer that says what is wrong is another thing than none. */
function troubleWord(error: Error | null): string {
  return error instanceof HubError && error.status > 0 ? `Hub in trouble: ${error.message}` : "Hub does not answer";
}

export function LiveLight({ past }: { past: boolean }) {
  const live = useSyncExternalStore(liveState.subscribe, liveState.read);
  const status = useStatus();
  const known = [...live.losses, ...(status.data?.losses ?? []).filter((one) => !live.losses.some((other) => other.node === one.node && other.since === one.since))];
  const broken = live.stream?.kind === "broken" ? live.stream : null;
  if (broken || status.isError) {
    return (
      <span className="light bad" role="status">
        <i aria-hidden="true" />
        {broken ? <>Hub away since {clock(broken.since)}, next try in <Countdown until={broken.retryAt} /></> : troubleWord(status.error)}
      </span>
    );
  }
  const lag = live.stream ? live.lag?.lag_ms : status.data?.lag_ms;
  const worst = known.at(-1);
  if (worst) {
    return (
      <Popover className="light warn" align="end" name="What was lost" label={<><i aria-hidden="true" />{lossText(worst)}</>}>
        {() => (
          <div className="pad">
            <h2>Lost for good</h2>
            <ul className="plain">{known.map((one) => <li key={one.node + one.since}>{lossText(one)}: {one.reason}</li>)}</ul>
            <p className="faint">Counts in this window are too low by as much.</p>
          </div>
        )}
      </Popover>
    );
  }
  return (
    <span className="light good" role="status" title="From the end of a record's interval to its arrival here">
      <i aria-hidden="true" />
      {past ? "A past range" : lag === undefined ? "Connecting" : `Live, ${(lag / 1000).toFixed(1)} s behind`}
    </span>
  );
}
