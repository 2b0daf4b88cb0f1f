/** What the map leaves out, and how to take it away as a picture. */
import { alter } from "../address/address";
import type { Graph } from "../api/types";
import { plainName } from "../format/words";
import { Popover } from "../parts/Popover";
import type { Drawing, MapOptions } from "./graph";
import type { Placed } from "./layout";
import type { Way } from "./ways";
import { savePng, saveSvg } from "./picture";

interface Props {
  graph: Graph;
  drawing: Drawing;
  place: Placed;
  ways: ReadonlyMap<string, Way>;
  options: MapOptions;
}

export function MapControls({ graph, drawing, place, ways, options }: Props) {
  const namespaces = [...new Set(graph.nodes.map((node) => node.namespace))].filter((name) => name !== "-").sort();
  const open = namespaces.filter((name) => !options.folded.has(name));
  const hide = (name: string): void => alter({ hide: options.hidden.includes(name) ? options.hidden.filter((one) => one !== name) : [...options.hidden, name] });
  return (
    <div className="controls">
      {options.focus && <button type="button" className="primary" onClick={() => alter({ focus: null })}>Around {plainName(options.focus.split("/")[1] ?? "")} only ×</button>}
      <span className="legend"><i className="way-sample allow" /> allowed <i className="way-sample deny" /> denied <i className="way-sample staged" title="Staged policies would deny a new connection" /> would deny</span>
      <button type="button" aria-pressed={options.hideDns} onClick={() => alter({ dns: options.hideDns ? null : "hide" })}>Hide DNS</button>
      <button type="button" aria-pressed={options.hideHosts} title="Probes and other traffic of the nodes themselves" onClick={() => alter({ hosts: options.hideHosts ? null : "hide" })}>Hide probes</button>
      <Popover className="" align="end" name="Namespaces" label={<>Namespaces<span className="caret" aria-hidden="true" /></>}>
        {() => (
          <div className="pad">
            <p className="row">
              <button type="button" onClick={() => alter({ fold: namespaces.join(","), unfold: null })}>Fold all</button>
              <button type="button" onClick={() => alter({ unfold: namespaces.join(","), fold: null })}>Unfold all</button>
            </p>
            <ul className="plain">{namespaces.map((name) => <li key={name}><label className="tick"><input type="checkbox" checked={!options.hidden.includes(name)} onChange={() => hide(name)} /> {name}{open.includes(name) ? "" : " (folded)"}</label></li>)}</ul>
          </div>
        )}
      </Popover>
      <Popover className="quiet" align="end" name="Export the map" label="Export">
        {() => (
          <ul className="plain pad">
            <li><button type="button" className="link" onClick={() => saveSvg(drawing, place, ways)}>SVG</button></li>
            <li><button type="button" className="link" onClick={() => void savePng(drawing, place, ways)}>PNG</button></li>
          </ul>
        )}
      </Popover>
    </div>
  );
}
