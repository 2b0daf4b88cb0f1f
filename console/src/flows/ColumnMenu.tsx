/** Which columns to show, and their order. */
import { Popover } from "../parts/Popover";
import { COLUMNS } from "./columns";
import type { Layout } from "./layout";

export function ColumnMenu({ layout }: { layout: Layout }) {
  const { ids } = layout;
  const shift = (id: string, by: number): void => {
    const next = [...ids];
    const at = next.indexOf(id);
    next.splice(at, 1);
    next.splice(at + by, 0, id);
    layout.show(next);
  };
  const shown = ids.flatMap((id) => COLUMNS.find((column) => column.id === id) ?? []);
  const hidden = COLUMNS.filter((column) => !ids.includes(column.id));
  return (
    <Popover className="quiet" align="end" name="Customize columns" label="Columns">
      {() => (
        <div className="pad columns-menu">
          <h2>Shown, in this order</h2>
          <ul className="plain">
            {shown.map((column, i) => (
              <li key={column.id}>
                <label title={column.raw}><input type="checkbox" checked disabled={ids.length === 1} onChange={() => layout.show(ids.filter((id) => id !== column.id))} /> {column.title}</label>
                <button type="button" className="quiet" aria-label={`Move ${column.title} to the left`} disabled={i === 0} onClick={() => shift(column.id, -1)}>↑</button>
                <button type="button" className="quiet" aria-label={`Move ${column.title} to the right`} disabled={i === shown.length - 1} onClick={() => shift(column.id, 1)}>↓</button>
              </li>
            ))}
          </ul>
          <h2>Hidden</h2>
          <ul className="plain two">
            {hidden.map((column) => (
              <li key={column.id}><label title={column.raw}><input type="checkbox" checked={false} onChange={() => layout.show([...ids, column.id])} /> {column.title}</label></li>
            ))}
          </ul>
          <button type="button" onClick={layout.reset}>Back to the usual columns</button>
        </div>
      )}
    </Popover>
  );
}
