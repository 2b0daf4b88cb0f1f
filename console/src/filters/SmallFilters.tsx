/** The filters with few values: reporter, port, action. */
import { useState } from "react";
import { Popover } from "../parts/Popover";
import { ActionMark } from "../parts/Verdict";
import { replaced, toggled, type Filter, type FilterField } from "./filters";

interface Props {
  filters: readonly Filter[];
  set: (filters: readonly Filter[]) => void;
}

function valuesOf(filters: readonly Filter[], field: FilterField): readonly string[] {
  return filters.find((one) => one.field === field && !one.negated && !one.off)?.values ?? [];
}

function label(title: string, count: number) {
  return <>{title}{count > 0 && <span className="badge">{count}</span>}<span className="caret" aria-hidden="true" /></>;
}

export function ReporterFilter({ filters, set }: Props) {
  const chosen = valuesOf(filters, "reporter")[0] ?? "";
  return (
    <Popover className="filter" name="Reporter" label={label("Reporter", chosen ? 1 : 0)}>
      {() => (
        <fieldset className="pad stack">
          <legend>Who reports</legend>
          {[["", "Either end"], ["Src", "Source"], ["Dst", "Destination"]].map(([value, title]) => (
            <label key={value} className="tick"><input type="radio" name="reporter" checked={chosen === value} onChange={() => set(replaced(filters, "reporter", value ? [value] : []))} /> {title}</label>
          ))}
        </fieldset>
      )}
    </Popover>
  );
}

export function PortFilter({ filters, set }: Props) {
  const protocol = valuesOf(filters, "protocol")[0] ?? "";
  const ports = valuesOf(filters, "dest_port");
  const [text, setText] = useState("");
  const port = Number(text);
  const right = /^\d+$/.test(text) && port >= 1 && port <= 65535;
  return (
    <Popover className="filter" name="Port" label={label("Port", ports.length + (protocol ? 1 : 0))}>
      {() => (
        <form
          className="pad stack"
          onSubmit={(event) => {
            event.preventDefault();
            if (!right) return;
            set(toggled(filters, "dest_port", text));
            setText("");
          }}
        >
          <label>Protocol
            <select value={protocol} onChange={(event) => set(replaced(filters, "protocol", event.target.value ? [event.target.value] : []))}>
              <option value="">Any</option><option value="tcp">TCP</option><option value="udp">UDP</option>
            </select>
          </label>
          <label>Port <input inputMode="numeric" value={text} placeholder="1–65535" onChange={(event) => setText(event.target.value)} /></label>
          {text && !right && <p className="mistake">A port is a number from 1 to 65535.</p>}
          <button type="submit" className="primary" disabled={!right}>Add</button>
        </form>
      )}
    </Popover>
  );
}

export function ActionFilter({ filters, set }: Props) {
  const groups = [["action", "Action"], ["staged_action", "Staged Action"]] as const;
  const count = groups.reduce((sum, [field]) => sum + valuesOf(filters, field).length, 0);
  return (
    <Popover className="filter" name="Action" label={label("Action", count)}>
      {() => (
        <div className="pad stack">
          {groups.map(([field, title]) => (
            <fieldset key={field}>
              <legend>{title}</legend>
              {["Allow", "Deny"].map((action) => (
                <label key={action} className="tick">
                  <input type="checkbox" checked={valuesOf(filters, field).includes(action)} onChange={() => set(toggled(filters, field, action))} /> <ActionMark action={action} plain />
                </label>
              ))}
            </fieldset>
          ))}
        </div>
      )}
    </Popover>
  );
}
