/** Which columns are shown, in which order and how wide: in the address when chosen, and remembered by this browser. */
import { useMemo, useState } from "react";
import { alter } from "../address/address";
import { useNarrow } from "../frame/narrow";
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

/** The layout of a group of rows. It is the same object until something about it changes. */
export function useLayout(group: Group, params: URLSearchParams): Layout {
  const [chosen, setChosen] = useState<{ group: Group; stored: Stored }>(() => ({ group, stored: load(group) }));
  if (chosen.group !== group) setChosen({ group, stored: load(group) });
  const { stored } = chosen;
  const narrow = useNarrow();
  const asked = params.get("columns");
  return useMemo(() => {
    const keep = (next: Stored): void => {
      store(group, next);
      setChosen({ group, stored: next });
    };
    const usual = stored.columns ?? defaultColumns(group, narrow);
    const known = (ids: readonly string[]): string[] => ids.filter((id) => COLUMN_OF.has(id));
    const wanted = known(asked?.split(",") ?? []);
    const ids = wanted.length ? wanted : known(usual);
    return {
      ids,
      columns: ids.flatMap((id) => COLUMN_OF.get(id) ?? []),
      widthOf: (column) => stored.widths?.[column.id] ?? (narrow ? column.narrow : undefined) ?? column.width,
      resize: (id, width) => keep({ ...stored, widths: { ...stored.widths, [id]: Math.max(NARROWEST, Math.round(width)) } }),
      show: (next) => {
        keep({ ...stored, columns: [...next] });
        alter({ columns: next.join(",") }, { replace: true });
      },
      reset: () => {
        keep({});
        alter({ columns: null }, { replace: true });
      },
    };
  }, [stored, group, narrow, asked]);
}
