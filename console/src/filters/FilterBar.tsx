/** The filters as a sentence of chips, the menus that add to it, and Clear all, always in the same place. */
import { alter } from "../address/address";
import { Popover } from "../parts/Popover";
import { Chip } from "./Chip";
import { changesTo, toggled, type Filter, type FilterField } from "./filters";
import { HintList } from "./HintList";
import { PolicyFilter } from "./PolicyFilter";
import { ActionFilter, PortFilter, ReporterFilter } from "./SmallFilters";

interface Props {
  filters: readonly Filter[];
  /** The expression of all of them, for the hints. */
  q: string;
  search: string;
  namespace: string;
}

const LISTS = [
  ["source_namespace", "Source namespace"],
  ["source_name", "Source"],
  ["dest_namespace", "Dest namespace"],
  ["dest_name", "Destination"],
] as const satisfies readonly (readonly [FilterField, string])[];

export function FilterBar({ filters, q, search, namespace }: Props) {
  const set = (next: readonly Filter[]): void => alter(changesTo(next));
  const any = filters.length > 0 || search !== "" || namespace !== "";
  const chosen = (field: FilterField): readonly string[] => filters.find((one) => one.field === field && !one.negated && !one.off)?.values ?? [];
  const label = (field: FilterField, title: string) => {
    const values = chosen(field);
    return <>{title}{values.length > 0 && <span className="badge">{values.length}</span>}<span className="caret" aria-hidden="true" /></>;
  };
  return (
    <div className="filter-bar" role="group" aria-label="Filters">
      <Popover className="filter" name="Policy" label={label("policy", "Policy")}>
        {() => <PolicyFilter chosen={chosen("policy")} toggle={(value) => set(toggled(filters, "policy", value))} />}
      </Popover>
      {LISTS.map(([field, title]) => (
        <Popover key={field} className="filter" name={title} label={label(field, title)}>
          {() => <HintList field={field} title={title} chosen={chosen(field)} filters={filters} toggle={(value) => set(toggled(filters, field, value))} clear={() => set(filters.filter((one) => one.field !== field || one.negated || one.off))} />}
        </Popover>
      ))}
      <ReporterFilter filters={filters} set={set} />
      <PortFilter filters={filters} set={set} />
      <ActionFilter filters={filters} set={set} />
      <div className="chips">
        {filters.map((filter, i) => (
          <Chip
            key={`${filter.field}${filter.negated}${filter.off}`}
            filter={filter}
            first={i === 0}
            change={(next) => set(filters.flatMap((one) => (one === filter ? (next ?? []) : [one])))}
          />
        ))}
        {search && <span className="chip"><span>text <b>{search}</b></span><button type="button" aria-label="Remove the search" onClick={() => alter({ q: null })}>×</button></span>}
      </div>
      <button type="button" className="clear" disabled={!any} aria-label="Clear all filters" title={q ? `Clear: ${q}` : "No filter is set"} onClick={() => alter({ ...changesTo([]), q: null, namespace: null })}>
        Clear all
      </button>
    </div>
  );
}
