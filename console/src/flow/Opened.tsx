/** An opened row: a small page with the sentence, the walk, the ends and the amounts; and the record itself. */
import { alter, useAddress } from "../address/address";
import type { Range } from "../address/scope";
import { useFlowDetails } from "../api/queries";
import type { Flow } from "../api/types";
import { current, type Row } from "../flows/merge";
import { REPORTERS } from "../format/words";
import { ActionMark } from "../parts/Verdict";
import { Details } from "./Details";
import { JsonTree } from "./JsonTree";
import { RawRecords } from "./RawRecords";
import { Sentence } from "./Sentence";
import { FieldTable } from "./FieldTable";
import { courseFlow, policiesText } from "./shape";

const TABS = [["details", "Details"], ["table", "Table"], ["json", "JSON"], ["raw", "Raw records"]] as const;

function ReporterSwitch({ flows, chosen, choose }: { flows: readonly Flow[]; chosen: Flow; choose: (id: string) => void }) {
  if (flows.length < 2) return <span className="faint">Reported by {REPORTERS[chosen.reporter]}</span>;
  return (
    <div className="switch" role="group" aria-label="Reported by">
      {flows.map((flow) => (
        <button key={flow.id} type="button" aria-pressed={flow.id === chosen.id} onClick={() => choose(flow.id)}>
          {REPORTERS[flow.reporter]} <ActionMark action={flow.action} plain />
        </button>
      ))}
    </div>
  );
}

export function Opened({ row, range }: { row: Row; range: Range }) {
  const { params } = useAddress();
  const tab = params.get("tab") ?? "details";
  const details = useFlowDetails(row.connection, range);
  const flowId = params.get("flow") ?? row.flow.id;
  const choices = [...current(row.flows), ...row.flows].filter((one, i, all) => all.findIndex((other) => other.id === one.id) === i);
  const flow = choices.find((one) => one.id === flowId) ?? row.flow;
  const fresh = details.isPlaceholderData ? undefined : details.data;
  return (
    <div className="opened">
      <Sentence row={row} details={fresh} />
      <div className="opened-tabs">
        <div role="tablist" aria-label="About this flow" className="tabs">
          {TABS.map(([id, title]) => (
            <button key={id} type="button" role="tab" id={`tab-${id}`} aria-selected={tab === id} aria-controls="opened-panel" className={tab === id ? "tab here" : "tab"} onClick={() => alter({ tab: id === "details" ? null : id }, { replace: true })}>
              {title}
            </button>
          ))}
        </div>
        {(tab === "table" || tab === "json") && <ReporterSwitch flows={choices} chosen={flow} choose={(id) => alter({ flow: id }, { replace: true })} />}
        <button type="button" className="quiet" aria-label="Close" title="Esc" onClick={() => alter({ open: null, tab: null, flow: null })}>×</button>
      </div>
      <div role="tabpanel" id="opened-panel" aria-labelledby={`tab-${tab}`}>
        {tab === "details" && <Details row={row} details={fresh} error={details.error} />}
        {tab === "table" && <FieldTable flow={flow} />}
        {tab === "json" && <JsonTree value={courseFlow(flow)} policies={policiesText(flow)} />}
        {tab === "raw" && <RawRecords records={fresh?.raw} />}
      </div>
    </div>
  );
}
