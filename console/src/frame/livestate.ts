/** What the live light shows: how far behind the view is, and what was lost. Told by whoever listens, read by the frame. */
import type { StreamState } from "../api/stream";
import type { Lag, Loss } from "../api/types";

export interface Live {
  lag: Lag | null;
  /** Null while no stream is open (screens that poll). */
  stream: StreamState | null;
  losses: readonly Loss[];
}

class LiveState {
  private value: Live = { lag: null, stream: null, losses: [] };
  private readonly listeners = new Set<() => void>();

  lag(lag: Lag): void {
    this.set({ lag });
  }

  stream(stream: StreamState | null): void {
    this.set({ stream });
  }

  /** The same loss may be told twice: after a reconnection. */
  lost(loss: Loss): void {
    const others = this.value.losses.filter((one) => one.node !== loss.node || one.since !== loss.since);
    this.set({ losses: [...others, loss].slice(-20) });
  }

  readonly read = (): Live => this.value;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private set(part: Partial<Live>): void {
    this.value = { ...this.value, ...part };
    for (const listener of this.listeners) listener();
  }
}

export const liveState = new LiveState();
