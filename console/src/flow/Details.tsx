/** The first page of an opened row: walk, rule, who, how much. */
import type { FlowDetails } from "../api/types";
import type { Row } from "../flows/merge";
import { Failed, Loading } from "../parts/States";
import { Amounts } from "./Amounts";
import { Rule } from "./Rule";
import { WalkLine } from "./WalkLine";
import { Who } from "./Who";

export function Details({ row, details, error }: { row: Row; details: FlowDetails | undefined; error: Error | null }) {
  if (error && !details) return <Failed what="The details" error={error} />;
  if (!details) return <Loading what="the details" />;
  const staged = [details.staged_egress, details.staged_ingress];
  const differs = staged.some(Boolean);
  return (
    <div className="details">
      <section aria-label="The way through the tiers">
        <h2>Way through the tiers</h2>
        <div className="walks">
          <WalkLine walk={details.egress} side="Leaving" name={row.flow.source_name} />
          <WalkLine walk={details.ingress} side="Arriving at" name={row.flow.dest_name} reached={details.egress?.verdict !== "Deny"} />
        </div>
        {differs && (
          <div className="walks staged-walks">
            <h3>With staged policies enforced</h3>
            {details.staged_egress && <WalkLine walk={details.staged_egress} side="Leaving" name={row.flow.source_name} />}
            {details.staged_ingress && <WalkLine walk={details.staged_ingress} side="Arriving at" name={row.flow.dest_name} reached={(details.staged_egress ?? details.egress)?.verdict !== "Deny"} />}
          </div>
        )}
      </section>
      <div className="details-columns">
        <Rule details={details} flow={row.flow} />
        <Amounts row={row} details={details} />
        <div className="ends">
          <Who title="Source" end={details.source} />
          <Who title="Destination" end={details.dest} />
        </div>
      </div>
    </div>
  );
}
