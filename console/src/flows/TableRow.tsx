/** One row. A click opens it; + and − on a cell, or a right click, filter by what the cell says. */
import { memo, useState, type MouseEvent } from "react";
import { spoken, type Column } from "./columns";
import type { Row } from "./merge";

interface Props {
  row: Row;
  index: number;
  now: number;
  columns: readonly Column[];
  open: boolean;
  current: boolean;
  onOpen: (id: string) => void;
  onFilter: (column: Column, row: Row, negated: boolean) => void;
}

function CellFilter({ column, row, onFilter }: { column: Column; row: Row; onFilter: Props["onFilter"] }) {
  const act = (negated: boolean) => (event: MouseEvent): void => {
    event.stopPropagation();
    onFilter(column, row, negated);
  };
  return (
    <span className="cell-filter">
      <button type="button" tabIndex={-1} title={`Only this ${column.title.toLowerCase()}`} aria-label={`Only this ${column.title.toLowerCase()}`} onClick={act(false)}>+</button>
      <button type="button" tabIndex={-1} title={`Without this ${column.title.toLowerCase()}`} aria-label={`Without this ${column.title.toLowerCase()}`} onClick={act(true)}>−</button>
    </span>
  );
}

/** The buttons exist only in the row under the pointer: in all rows they would be most of the table's elements. */
function RowElement({ row, index, now, columns, open, current, onOpen, onFilter }: Props) {
  const [under, setUnder] = useState(false);
  const denied = row.verdict.startsWith("denied");
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-expanded={open}
      aria-label={spoken(row)}
      tabIndex={0}
      data-row={row.id}
      className={`row${denied ? " denied" : ""}${open ? " open" : ""}${current ? " current" : ""}`}
      onPointerEnter={() => setUnder(true)}
      onPointerLeave={() => setUnder(false)}
      onClick={() => onOpen(row.id)}
      onKeyDown={(event) => {
        if (event.key === "Enter" && event.target === event.currentTarget) {
          event.preventDefault();
          onOpen(row.id);
        }
      }}
    >
      {columns.map((column, i) => (
        <div
          key={column.id}
          role="gridcell"
          aria-colindex={i + 1}
          data-column={column.id}
          className={`cell${column.number ? " number" : ""}${column.mono ? " mono" : ""}`}
          onContextMenu={(event) => {
            if (!column.filter) return;
            event.preventDefault();
            onFilter(column, row, event.shiftKey);
          }}
        >
          <span className="content">{column.cell(row, now)}</span>
          {under && column.filter && <CellFilter column={column} row={row} onFilter={onFilter} />}
        </div>
      ))}
    </div>
  );
}

export const TableRow = memo(RowElement);
