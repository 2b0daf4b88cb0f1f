/** The table's head: click sorts, the edge resizes, dragging reorders. Shift with the arrows resizes by keyboard. */
import type { PointerEvent } from "react";
import type { Column } from "./columns";
import { moved, type Layout } from "./layout";
import type { Sort } from "./order";

const KEY_STEP = 16;

function Resizer({ column, layout }: { column: Column; layout: Layout }) {
  const begin = (event: PointerEvent<HTMLSpanElement>): void => {
    event.preventDefault();
    event.stopPropagation();
    const grip = event.currentTarget;
    const from = event.clientX;
    const width = grip.parentElement?.getBoundingClientRect().width ?? column.width;
    grip.setPointerCapture(event.pointerId);
    grip.onpointermove = (move) => layout.resize(column.id, width + move.clientX - from);
    grip.onpointerup = () => {
      grip.onpointermove = null;
      grip.onpointerup = null;
    };
  };
  return <span className="grip" aria-hidden="true" onPointerDown={begin} />;
}

interface Props {
  layout: Layout;
  sort: Sort;
  onSort: (column: string) => void;
}

export function HeaderRow({ layout, sort, onSort }: Props) {
  return (
    <div className="head" role="row" aria-rowindex={1}>
      {layout.columns.map((column, i) => {
        const on = sort.column === column.id;
        return (
          <div
            key={column.id}
            role="columnheader"
            aria-colindex={i + 1}
            aria-sort={on ? (sort.descending ? "descending" : "ascending") : "none"}
            className={column.number ? "cell number" : "cell"}
            draggable
            onDragStart={(event) => event.dataTransfer.setData("text/column", column.id)}
            onDragOver={(event) => event.preventDefault()}
            onDrop={(event) => {
              const id = event.dataTransfer.getData("text/column");
              if (id && id !== column.id) layout.show(moved(layout.ids, id, column.id));
            }}
          >
            <button
              type="button"
              title={`${column.raw}. Click to sort, drag to move, Shift with ← or → to resize`}
              onClick={() => onSort(column.id)}
              onKeyDown={(event) => {
                if (!event.shiftKey || !event.key.startsWith("Arrow")) return;
                layout.resize(column.id, layout.widthOf(column) + (event.key === "ArrowRight" ? KEY_STEP : -KEY_STEP));
              }}
            >
              {column.title}
              <span className="arrow" aria-hidden="true">{on ? (sort.descending ? "↓" : "↑") : ""}</span>
            </button>
            <Resizer column={column} layout={layout} />
          </div>
        );
      })}
    </div>
  );
}
