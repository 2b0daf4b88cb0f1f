/** Joins the stream and the book, and tells the screen what changed at most four times a second; with very many rows, once. */
import { openStream, type StreamState } from "../api/stream";
import type { Lag } from "../api/types";
import { liveState } from "../frame/livestate";
import { Book, type Group } from "./book";
import type { Row } from "./merge";

const TELL_EVERY_MS = 250;
/** Sorting more rows than this takes as long as drawing a frame, so that it happens once a second. */
const MANY_ROWS = 4000;
const TELL_MANY_EVERY_MS = 1000;

export interface Snapshot {
  rows: readonly Row[];
  state: StreamState;
  /** The backfill is in. */
  ready: boolean;
  paused: boolean;
  /** Rows that arrived since the pause. */
  waiting: number;
  lag: Lag | null;
  dropped: number;
}

export interface Question {
  q: string;
  /** Seconds before the hub's now at which the view begins; 0: from now on, and nothing ever leaves it. */
  backS: number;
  group: Group;
  sliceS: number;
}

export class Feed {
  private book: Book;
  private snapshot: Snapshot;
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private close: (() => void) | undefined;

  constructor(private readonly question: Question) {
    this.book = new Book(question.group, question.sliceS);
    this.snapshot = { rows: [], state: { kind: "connecting" }, ready: false, paused: false, waiting: 0, lag: null, dropped: 0 };
  }

  /** Begin to listen; returns what ends it. Rows of an earlier start are forgotten. */
  start(): () => void {
    const { q, backS, group } = this.question;
    this.book = new Book(group, this.question.sliceS);
    this.close = openStream({ q, from: String(-Math.max(1, backS)), group }, {
      state: (state) => {
        liveState.stream(state);
        this.change({ state });
      },
      flows: (flows) => {
        const fresh = this.book.take(flows);
        if (this.snapshot.paused) this.change({ waiting: this.snapshot.waiting + fresh });
        else this.schedule();
      },
      caughtUp: () => this.change({ ready: true, rows: this.snapshot.paused ? this.snapshot.rows : this.book.list() }),
      lag: (lag) => {
        liveState.lag(lag);
        // By the hub's clock: this computer's may be another.
        if (backS && this.book.forget(Date.parse(lag.now) - backS * 1000)) this.schedule();
        this.change({ lag });
      },
      lost: (loss) => liveState.lost(loss),
    });
    return () => {
      this.close?.();
      clearTimeout(this.timer);
      this.timer = undefined;
      liveState.stream(null);
    };
  }

  pause(paused: boolean): void {
    this.change({ paused, waiting: 0, ...(paused ? {} : { rows: this.book.list() }) });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly read = (): Snapshot => this.snapshot;

  private change(part: Partial<Snapshot>): void {
    this.snapshot = { ...this.snapshot, ...part, dropped: this.book.dropped };
    for (const listener of this.listeners) listener();
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      if (!this.snapshot.paused) this.change({ rows: this.book.list() });
    }, this.book.size > MANY_ROWS ? TELL_MANY_EVERY_MS : TELL_EVERY_MS);
  }
}
