/** Times as people read them. All arguments are milliseconds since 1970 or RFC 3339 texts. */

const pad = (value: number): string => String(value).padStart(2, "0");

/** Local clock time: "10:31:07". */
export function clock(time: string | number): string {
  const date = new Date(time);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** Local date and time to the second: "2026-11-25 10:31:07". */
export function full(time: string | number): string {
  const date = new Date(time);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${clock(time)}`;
}

/** Length in words of one unit: "3 s", "12 min", "5 h", "3 d". */
export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  return s < 48 * 3600 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}

/** "now", "3 s ago". */
export function ago(time: string | number, now: number): string {
  const seconds = (now - new Date(time).getTime()) / 1000;
  return seconds < 1.5 ? "now" : `${span(seconds)} ago`;
}

/** The value of a datetime-local field, in local time to the minute. */
export function fieldTime(time: string | number): string {
  const date = new Date(time);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}T${pad(date.getHours())}:${pad(date.getMinutes())}`;
}
