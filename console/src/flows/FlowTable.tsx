/** The virtual table: only the rows in sight exist as elements, whether there are 20 or 20,000. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState, type CSSProperties, type ReactNode } from "react";
import { useKeys } from "../frame/keys";
import { useNow } from "../parts/States";
import type { Column } from "./columns";
import { HeaderRow } from "./HeaderRow";
import type { Layout } from "./layout";
import type { Row } from "./merge";
import type { Sort } from "./order";
import { TableRow } from "./TableRow";

const ROW_PX = 32;
const OPENED_PX = 560;

interface Props {
  rows: readonly Row[];
  layout: Layout;
  sort: Sort;
  onSort: (column: string) => void;
  opened: string;
  onOpen: (id: string) => void;
  onScrolled: (scrolled: boolean) => void;
  onFilter: (column: Column, row: Row, negated: boolean) => void;
  /** What an opened row shows. */
  details: (row: Row) => ReactNode;
}

export function FlowTable({ rows, layout, sort, onSort, opened, onOpen, onScrolled, onFilter, details }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState(-1);
  const now = useNow(1000);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (rows[index]?.id === opened ? OPENED_PX : ROW_PX),
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: 8,
  });
  const step = (by: number): void => {
    const next = Math.max(0, Math.min(rows.length - 1, cursor + by));
    setCursor(next);
    virtual.scrollToIndex(next, { align: "auto" });
  };
  const toggle = (id: string): void => onOpen(id === opened ? "" : id);
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    Enter: (event) => {
      const row = rows[cursor];
      if (row && !(event.target instanceof HTMLButtonElement) && !(event.target instanceof HTMLAnchorElement)) toggle(row.id);
    },
    Escape: () => onOpen(""),
  });
  const index = rows.findIndex((row) => row.id === opened);
  const scrollTo = virtual.scrollToIndex;
  useEffect(() => {
    if (opened && index > 0) scrollTo(index, { align: "start" });
    // Only when another row is opened: later the row may move without the view following it.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [opened, index >= 0]);
  const widths = layout.columns.map((column) => `minmax(${layout.widthOf(column)}px, ${column.number ? 0 : layout.widthOf(column)}fr)`).join(" ");
  const least = layout.columns.reduce((sum, column) => sum + layout.widthOf(column), 0);
  return (
    <div className="scroller" ref={scroller} tabIndex={-1} onScroll={(event) => onScrolled(event.currentTarget.scrollTop > ROW_PX)}>
      <div className="table" role="treegrid" aria-label="Flows" aria-rowcount={rows.length + 1} aria-colcount={layout.columns.length} style={{ "--columns": widths, minWidth: least + 24 } as CSSProperties}>
        <div role="rowgroup" className="sticky"><HeaderRow layout={layout} sort={sort} onSort={onSort} /></div>
        <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index] as Row;
            const open = row.id === opened;
            return (
              <div key={item.key} data-index={item.index} ref={virtual.measureElement} className="slot" role="presentation" style={{ transform: `translateY(${item.start}px)` }}>
                <TableRow row={row} index={item.index} now={now} columns={layout.columns} open={open} current={item.index === cursor} onOpen={toggle} onFilter={onFilter} />
                {open && <div role="row" className="opened-row"><div role="gridcell" className="opened-cell">{details(row)}</div></div>}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
