/** Which columns are shown, in which order and how wide: in the address when chosen, and remembered by this browser. */
import { useState } from "react";
import { alter } from "../address/address";
import type { Group } from "./book";
import { COLUMN_OF, defaultColumns, type Column } from "./columns";

const NARROWEST = 56;

interface Stored {
  columns?: string[];
  widths?: Record<string, number>;
}

const keyOf = (group: Group): string => `ocicat-flow-columns-${group}`;

function load(group: Group): Stored {
  try {
    return JSON.parse(localStorage.getItem(keyOf(group)) ?? "{}") as Stored;
  } catch {
    return {};
  }
}

function store(group: Group, stored: Stored): void {
  try {
    localStorage.setItem(keyOf(group), JSON.stringify(stored));
  } catch {
    // Without storage the layout lasts as long as the page.
  }
}

export interface Layout {
  columns: readonly Column[];
  ids: readonly string[];
  widthOf(column: Column): number;
  resize(id: string, width: number): void;
  show(ids: readonly string[]): void;
  reset(): void;
}

/** Move `id` before `target`. */
export function moved(ids: readonly string[], id: string, target: string): string[] {
  const others = ids.filter((one) => one !== id);
  const at = others.indexOf(target);
  return at < 0 ? [...ids] : [...others.slice(0, at), id, ...others.slice(at)];
}

export function useLayout(group: Group, params: URLSearchParams): Layout {
  const [widths, setWidths] = useState(() => load(group).widths ?? {});
  const asked = params.get("columns")?.split(",").filter((id) => COLUMN_OF.has(id));
  const ids = asked?.length ? asked : (load(group).columns ?? defaultColumns(group)).filter((id) => COLUMN_OF.has(id));
  return {
    ids,
    columns: ids.flatMap((id) => COLUMN_OF.get(id) ?? []),
    widthOf: (column) => widths[column.id] ?? column.width,
    resize: (id, width) => {
      const next = { ...widths, [id]: Math.max(NARROWEST, Math.round(width)) };
      setWidths(next);
      store(group, { ...load(group), widths: next });
    },
    show: (next) => {
      store(group, { ...load(group), columns: [...next] });
      alter({ columns: next.join(",") }, { replace: true });
    },
    reset: () => {
      store(group, {});
      setWidths({});
      alter({ columns: null }, { replace: true });
    },
  };
}
