/** The time range: live since so many minutes, or a piece of the past. */
import { useState } from "react";
import { alter } from "../address/address";
import type { Range } from "../address/scope";
import { clock, fieldTime, full } from "../format/times";
import { Popover } from "../parts/Popover";

const MINUTES = [0, 1, ...Array.from({ length: 11 }, (_, i) => 5 * (i + 1)), 60];

function wordOf(minutes: number): string {
  if (minutes === 0) return "Now";
  return minutes === 60 ? "Last hour" : `Last ${minutes} min`;
}

export function rangeWord(range: Range): string {
  if (range.kind === "live") return range.minutes === 0 ? "Live, from now on" : `Live, ${wordOf(range.minutes).toLowerCase()}`;
  const sameDay = full(range.from).slice(0, 10) === full(range.to).slice(0, 10);
  return `${full(range.from).slice(0, 16)} – ${sameDay ? clock(range.to).slice(0, 5) : full(range.to).slice(0, 16)}`;
}

function Past({ range, close }: { range: Range; close: () => void }) {
  const [from, setFrom] = useState(() => fieldTime(range.kind === "past" ? range.from : Date.now() - 3_600_000));
  const [to, setTo] = useState(() => fieldTime(range.kind === "past" ? range.to : Date.now()));
  const right = Date.parse(from) < Date.parse(to);
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        alter({ from: new Date(from).toISOString(), to: new Date(to).toISOString(), start_time: null });
        close();
      }}
    >
      <label>From <input type="datetime-local" value={from} onChange={(event) => setFrom(event.target.value)} required /></label>
      <label>To <input type="datetime-local" value={to} onChange={(event) => setTo(event.target.value)} required /></label>
      {!right && <p className="mistake">The end is not after the start.</p>}
      <button type="submit" className="primary" disabled={!right}>Show this range</button>
    </form>
  );
}

export function TimePicker({ range }: { range: Range }) {
  return (
    <Popover className="pick" name="Start time, or a past range" align="end" label={<><span className="faint">Time</span> {rangeWord(range)} <span className="caret" aria-hidden="true" /></>}>
      {(close) => (
        <div className="pad times">
          <h2>Live since</h2>
          <div className="choices">
            {MINUTES.map((minutes) => (
              <button
                key={minutes}
                type="button"
                aria-pressed={range.kind === "live" && range.minutes === minutes}
                onClick={() => {
                  alter({ start_time: String(minutes), from: null, to: null });
                  close();
                }}
              >
                {wordOf(minutes)}
              </button>
            ))}
          </div>
          <h2>Or a past range</h2>
          <Past range={range} close={close} />
        </div>
      )}
    </Popover>
  );
}
