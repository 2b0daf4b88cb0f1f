/** The virtual table: only the rows in sight exist as elements, whether there are 20 or 20,000. */
import { useVirtualizer, type Virtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type CSSProperties, type ReactNode, type RefObject } from "react";
import { useKeys } from "../frame/keys";
import { useStable } from "../parts/stable";
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

/** Heights by position, not by row: then rows may change places and values without all of them being measured anew. */
function useHeights(scroller: RefObject<HTMLDivElement | null>, count: number, openedAt: number): Virtualizer<HTMLDivElement, HTMLDivElement> {
  const virtual = useVirtualizer<HTMLDivElement, HTMLDivElement>({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (index === openedAt ? OPENED_PX : ROW_PX),
    overscan: 6,
  });
  useLayoutEffect(() => virtual.measure(), [virtual, openedAt]);
  return virtual;
}

export function FlowTable({ rows, layout, sort, onSort, opened, onOpen, onScrolled, onFilter, details }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState(-1);
  const now = useNow(1000);
  const openedAt = useMemo(() => (opened ? rows.findIndex((row) => row.id === opened) : -1), [rows, opened]);
  const virtual = useHeights(scroller, rows.length, openedAt);
  const step = (by: number): void => {
    const next = Math.max(0, Math.min(rows.length - 1, cursor + by));
    setCursor(next);
    virtual.scrollToIndex(next, { align: "auto" });
  };
  const toggle = useStable((id: string): void => onOpen(id === opened ? "" : id));
  const filter = useStable(onFilter);
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    Enter: (event) => {
      const row = rows[cursor];
      if (row && !(event.target instanceof HTMLButtonElement) && !(event.target instanceof HTMLAnchorElement)) toggle(row.id);
    },
    Escape: () => onOpen(""),
  });
  const scrollTo = virtual.scrollToIndex;
  useEffect(() => {
    if (opened && openedAt > 0) scrollTo(openedAt, { align: "start" });
    // Only when another row is opened: later the row may move without the view following it.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [opened, openedAt >= 0]);
  const widths = layout.columns.map((column) => `minmax(${layout.widthOf(column)}px, ${column.grow}fr)`).join(" ");
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
              <div key={row.id} data-index={item.index} ref={open ? virtual.measureElement : undefined} className="slot" role="presentation" style={{ transform: `translateY(${item.start}px)` }}>
                <TableRow row={row} index={item.index} now={now} columns={layout.columns} open={open} current={item.index === cursor} onOpen={toggle} onFilter={filter} />
                {open && <div role="row" className="opened-row"><div role="gridcell" className="opened-cell">{details(row)}</div></div>}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
