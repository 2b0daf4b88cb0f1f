/**
 * The event stream, with reconnection: after a break it goes on where it stopped, and says how long it waits.
 *
 * The browser's EventSource retries by itself only in some cases of failure, and never tells when; so every error closes
 * it, and the next one is opened here with the last position as a parameter.
 */
import { addressOf, ask, HubError, type Params } from "./client";
import type { Flow, Lag, Loss } from "./types";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;

export type StreamState =
  | { kind: "connecting" }
  | { kind: "open" }
  /** The hub refused the question; asking again is no use. */
  | { kind: "refused"; error: HubError }
  /** Broken since `since`; next try at `retryAt` (ms since 1970). */
  | { kind: "broken"; since: number; retryAt: number };

export interface StreamSink {
  state(state: StreamState): void;
  flows(flows: Flow[]): void;
  caughtUp(): void;
  lag(lag: Lag): void;
  lost(loss: Loss): void;
}

/** Open a stream for `params` (q, from, group). Returns what ends it. */
export function openStream(params: Params, sink: StreamSink): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let position = "";
  let wait = FIRST_WAIT_MS;
  let since = 0;
  let ended = false;

  const retry = (): void => {
    since ||= Date.now();
    sink.state({ kind: "broken", since, retryAt: Date.now() + wait });
    timer = setTimeout(connect, wait);
    wait = Math.min(LONGEST_WAIT_MS, wait * 2);
  };

  const broke = async (): Promise<void> => {
    source?.close();
    source = null;
    try {
      await ask("flows", { q: params.q, limit: 1, from: -60 });
    } catch (error) {
      if (ended) return;
      if (error instanceof HubError && error.status === 400) {
        sink.state({ kind: "refused", error });
        return;
      }
    }
    if (!ended) retry();
  };

  function connect(): void {
    if (!since) sink.state({ kind: "connecting" });
    const opened = new EventSource(addressOf("flows/stream", { ...params, last_event_id: position || undefined }));
    source = opened;
    const on = <Data>(event: string, take: (data: Data) => void): void => {
      opened.addEventListener(event, (message: MessageEvent<string>) => {
        if (message.lastEventId) position = message.lastEventId;
        take(JSON.parse(message.data) as Data);
      });
    };
    opened.onopen = () => {
      since = 0;
      wait = FIRST_WAIT_MS;
      sink.state({ kind: "open" });
    };
    opened.onerror = () => void broke();
    on<Flow[]>("flow", sink.flows);
    on<Lag>("lag", sink.lag);
    on<Loss>("lost", sink.lost);
    on<object>("caught-up", sink.caughtUp);
  }

  connect();
  return () => {
    ended = true;
    clearTimeout(timer);
    source?.close();
  };
}
