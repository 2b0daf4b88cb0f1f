/** The rows of the screen: from the stream while live, from the list for the past; sorted, and held still on request. */
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { Range } from "../address/scope";
import { HubError } from "../api/client";
import { usePastFlows } from "../api/queries";
import type { StreamState } from "../api/stream";
import { Book, type Group } from "./book";
import { COLUMN_OF } from "./columns";
import { Feed } from "./feed";
import type { Row } from "./merge";
import { held, lastSeenKey, sorted, type Sort } from "./order";

const PAGE = 5000;

export interface View {
  rows: readonly Row[];
  live: boolean;
  paused: boolean;
  waiting: number;
  pause: (paused: boolean) => void;
  /** What is to be shown is known: an empty list is really empty. */
  settled: boolean;
  stream: StreamState | null;
  error: Error | null;
  notes: readonly string[];
  /** Past ranges: how many there are altogether, and how to get more of them. */
  total: number | null;
  more: (() => void) | null;
  dropped: number;
}

interface Question {
  q: string;
  range: Range;
  group: Group;
  sliceS: number;
}

function useLive({ q, range, group, sliceS }: Question): [Feed, ReturnType<Feed["read"]>] {
  const live = range.kind === "live";
  const backS = live ? 60 * range.minutes : 0;
  const feed = useMemo(() => new Feed({ q, backS, group, sliceS }), [q, backS, group, sliceS]);
  useEffect(() => (live ? feed.start() : undefined), [feed, live]);
  return [feed, useSyncExternalStore(feed.subscribe, feed.read)];
}

export function useRows(question: Question): View {
  const { q, range, group, sliceS } = question;
  const [pages, setPages] = useState(1);
  const [feed, live] = useLive(question);
  const past = usePastFlows(q, range, group, pages * PAGE);
  const items = range.kind === "past" && !past.isPlaceholderData ? past.data?.items : undefined;
  const pastRows = useMemo(() => {
    const book = new Book(group, sliceS);
    book.take(items ?? []);
    return book.list();
  }, [items, group, sliceS]);
  if (range.kind === "past") {
    return { rows: pastRows, live: false, paused: false, waiting: 0, pause: () => undefined, settled: !past.isFetching, stream: null, error: past.error,
      notes: past.data?.notes ?? [], total: past.data?.total ?? null, more: past.data?.next_cursor ? () => setPages(pages + 1) : null, dropped: 0 };
  }
  const refused = live.state.kind === "refused" ? live.state.error : null;
  const away = live.state.kind === "broken" && !live.ready ? new HubError("the hub does not answer", 0) : null;
  return { rows: live.rows, live: true, paused: live.paused, waiting: live.waiting, pause: (paused) => feed.pause(paused), settled: live.ready || Boolean(refused ?? away),
    stream: live.state, error: refused ?? away, notes: [], total: null, more: null, dropped: live.dropped };
}

/** Rows in order. While `hold`, those shown keep their places and new ones are counted, until `release`. */
export function useHeld(rows: readonly Row[], sort: Sort, hold: boolean, view: string): { rows: Row[]; fresh: number; release: () => void } {
  const { column, descending } = sort;
  const all = useMemo(() => {
    const key = column === "last_seen" ? lastSeenKey(rows) : (COLUMN_OF.get(column)?.key ?? lastSeenKey(rows));
    return sorted(rows, key, descending);
  }, [rows, column, descending]);
  const [frozen, setFrozen] = useState<{ view: string; rows: readonly Row[] } | null>(null);
  const holding = hold && all.length > 0;
  if (holding && frozen?.view !== view) setFrozen({ view, rows: all });
  if (!holding && frozen) setFrozen(null);
  const kept = useMemo(() => (holding && frozen?.view === view ? held(frozen.rows, all) : { rows: all, fresh: 0 }), [holding, frozen, view, all]);
  return { ...kept, release: () => setFrozen({ view, rows: all }) };
}
