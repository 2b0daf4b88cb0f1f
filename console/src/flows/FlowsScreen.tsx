/** The flows: what talks to what, what was denied, and by which rule. */
import { useState } from "react";
import { alter, useAddress } from "../address/address";
import { secondsOf, type Scope } from "../address/scope";
import { changesTo, expressionOf, filtersOf, toggled } from "../filters/filters";
import { FilterBar } from "../filters/FilterBar";
import { Opened } from "../flow/Opened";
import { useKeys } from "../frame/keys";
import type { Group } from "./book";
import { COLUMN_OF, type Column } from "./columns";
import { FlowTable } from "./FlowTable";
import { useLayout } from "./layout";
import { LiveControls } from "./LiveControls";
import type { Row } from "./merge";
import { NothingHere } from "./NothingHere";
import { sortOf, type Sort } from "./order";
import { Tabs } from "./Tabs";
import { useHeld, useRows } from "./useRows";

function nextSort(sort: Sort, column: string, usual: Sort): string | null {
  if (sort.column !== column) return COLUMN_OF.get(column)?.number ? `-${column}` : column;
  const first = COLUMN_OF.get(column)?.number || column === usual.column;
  if (sort.descending) return first ? column : null;
  return first ? null : `-${column}`;
}

export function FlowsScreen({ scope, denied }: { scope: Scope; denied: boolean }) {
  const { params } = useAddress();
  const group: Group = params.get("rows") === "reporter" ? "reporter" : "connection";
  const filters = filtersOf(params);
  const search = params.get("q") ?? "";
  const plain = expressionOf(filters, { namespace: scope.namespace, search });
  const q = expressionOf(filters, { namespace: scope.namespace, search, denied });
  const view = useRows({ q, range: scope.range, group, sliceS: Math.max(1, Math.round(secondsOf(scope.range) / 30)) });
  const usual: Sort = { column: group === "connection" ? "last_seen" : "start_time", descending: true };
  const sort = sortOf(params.get("sort"), usual);
  const opened = params.get("open") ?? "";
  const [scrolled, setScrolled] = useState(false);
  const shown = useHeld(view.rows, sort, scrolled || Boolean(opened), `${q} ${group} ${sort.column} ${sort.descending}`);
  const layout = useLayout(group, params);
  useKeys({ p: () => view.pause(!view.paused) });
  const filterBy = (column: Column, row: Row, negated: boolean): void => {
    if (column.filter) alter(changesTo(toggled(filters, ...column.filter(row), negated)));
  };
  const empty = shown.rows.length === 0;
  return (
    <section className="screen flows" aria-label="Flows">
      <div className="screen-head">
        <h1 className="said">Flows</h1>
        <Tabs denied={denied} q={plain} scope={scope} group={group} />
        <LiveControls view={view} group={group} layout={layout} scope={scope} q={q} />
      </div>
      <FilterBar filters={filters} q={plain} search={search} namespace={scope.namespace} />
      <div className="table-area">
        {shown.fresh > 0 && !view.paused && (
          <button type="button" className="pill" onClick={shown.release}>{shown.fresh.toLocaleString("en")} new</button>
        )}
        {empty && view.settled ? (
          <NothingHere view={view} filtered={Boolean(q)} denied={denied} scope={scope} />
        ) : (
          <FlowTable
            key={`${group} ${q}`}
            rows={shown.rows}
            layout={layout}
            sort={sort}
            onSort={(column) => alter({ sort: nextSort(sort, column, usual) })}
            opened={opened}
            onOpen={(id) => alter({ open: id || null, tab: null, flow: null })}
            onScrolled={setScrolled}
            onFilter={filterBy}
            details={(row) => <Opened row={row} range={scope.range} />}
          />
        )}
      </div>
    </section>
  );
}
