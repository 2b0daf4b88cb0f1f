/** Numbers as people read them; the exact value belongs into a title. */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

function scaled(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, "");
}

/** 1234567 → "1.2 MB" (powers of 1,000). */
export function bytes(value: number): string {
  let rest = value;
  let unit = 0;
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(rest) : scaled(rest)} ${UNITS[unit]}`;
}

/** 12345 → "12,345". */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** 12345 → "12.3 k": for labels with little room. */
export function short(value: number): string {
  if (value < 1000) return String(Math.round(value));
  return value < 999_500 ? `${scaled(value / 1000)} k` : `${scaled(value / 1_000_000)} M`;
}

/** Things per second: "340/s", "0.4/s". */
export function perSecond(value: number): string {
  if (value === 0) return "0/s";
  return value < 0.05 ? "<0.1/s" : `${value < 9.95 ? scaled(value) : count(value)}/s`;
}

/** "1 pod", "3 pods". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}
