/** Empty, loading and failed: each says what is so, and what to do next. */
import { useEffect, useState, type ReactNode } from "react";
import { HubError } from "../api/client";
import { clock, span } from "../format/times";

export function Notice({ title, children, tone = "plain" }: { title: string; children?: ReactNode; tone?: "plain" | "bad" }) {
  return (
    <div className={`notice ${tone}`} role={tone === "bad" ? "alert" : "status"}>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Says "Loading …" only after 300 ms. */
export function Loading({ what }: { what: string }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 300);
    return () => clearTimeout(timer);
  }, []);
  return <div className="notice" role="status">{late && <p>Loading {what} …</p>}</div>;
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** What failed, since when, what happens next; `next` is when the console asks again by itself. */
export function Failed({ what, error, since, next, again }: { what: string; error: Error; since?: number; next?: number; again?: () => void }) {
  const refused = error instanceof HubError && error.status >= 400 && error.status < 500;
  return (
    <Notice title={`${what} cannot be shown`} tone="bad">
      <p>
        {sentence(error.message)}
        {error instanceof HubError && error.column ? `, at column ${error.column} of the filter expression` : ""}
        {since ? `. It has been so since ${clock(since)}.` : "."}
      </p>
      {refused && <p>Change the filter to go on.</p>}
      {!refused && <p>The console asks again by itself{next ? <>, in <Countdown until={next} /></> : ""}. Other screens may still answer.</p>}
      {again && !refused && <button type="button" onClick={again}>Ask now</button>}
    </Notice>
  );
}

/** Counts down to a time. */
export function Countdown({ until }: { until: number }) {
  const now = useNow(500);
  return <>{span(Math.max(0, (until - now) / 1000))}</>;
}

/** The time, renewed every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
