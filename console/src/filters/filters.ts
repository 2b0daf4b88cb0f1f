/**
 * Filters as chips have them, their place in the address, and the expression that the hub understands.
 *
 * Keys in the address are those of the original console, so that its links work: `dest_name=db-*`, repeated for OR.
 * A key with `not_` in front is negated, one with `off_` is kept but not applied.
 */
import type { Changes } from "../address/address";

export const FIELDS = [
  "source_namespace", "source_name", "dest_namespace", "dest_name", "service", "protocol", "dest_port", "reporter",
  "action", "staged_action", "policy", "source_label", "dest_label", "source_ip", "dest_ip", "node",
] as const;

export type FilterField = (typeof FIELDS)[number];

export interface Filter {
  field: FilterField;
  values: readonly string[];
  negated: boolean;
  off: boolean;
}

const PREFIXES = [["", false, false], ["not_", true, false], ["off_", false, true], ["off_not_", true, true]] as const;

function keyOf({ field, negated, off }: Filter): string {
  return `${off ? "off_" : ""}${negated ? "not_" : ""}${field}`;
}

/** The original writes policies as a JSON list of parts; ours are kind/tier/namespace/name. */
function policyValues(text: string): string[] {
  if (!text.startsWith("[")) return [text];
  try {
    const list = JSON.parse(text) as Record<string, unknown>[];
    return list.map((one) => ["kind", "tier", "namespace", "name"].map((part) => String(one[part] ?? "")).join("/"));
  } catch {
    return [];
  }
}

/** Read all filters from the address, in the order of FIELDS. */
export function filtersOf(params: URLSearchParams): Filter[] {
  return FIELDS.flatMap((field) =>
    PREFIXES.flatMap(([prefix, negated, off]) => {
      const found = params.getAll(prefix + field).filter(Boolean);
      const values = field === "policy" ? found.flatMap(policyValues) : found;
      return values.length ? [{ field, values: [...new Set(values)], negated, off }] : [];
    }),
  );
}

/** The changes that make the address say exactly these filters. */
export function changesTo(filters: readonly Filter[]): Changes {
  const changes: Record<string, string[] | null> = {};
  for (const field of FIELDS) for (const [prefix] of PREFIXES) changes[prefix + field] = null;
  for (const filter of filters) {
    const key = keyOf(filter);
    changes[key] = [...new Set([...(changes[key] ?? []), ...filter.values])];
  }
  return changes;
}

/** Add a value, or take it away when it is there. A value that contradicts (same value negated) is replaced. */
export function toggled(filters: readonly Filter[], field: FilterField, value: string, negated = false): Filter[] {
  const others = filters.flatMap((one) => {
    if (one.field !== field || one.negated === negated) return [one];
    const values = one.values.filter((other) => other !== value);
    return values.length ? [{ ...one, values }] : [];
  });
  const mine = others.find((one) => one.field === field && one.negated === negated && !one.off);
  if (!mine) return [...others, { field, values: [value], negated, off: false }];
  const values = mine.values.includes(value) ? mine.values.filter((one) => one !== value) : [...mine.values, value];
  return others.flatMap((one) => (one !== mine ? [one] : values.length ? [{ ...mine, values }] : []));
}

/** Replace what a field says. */
export function replaced(filters: readonly Filter[], field: FilterField, values: readonly string[]): Filter[] {
  const others = filters.filter((one) => one.field !== field || one.negated || one.off);
  return values.length ? [...others, { field, values, negated: false, off: false }] : others;
}

function quoted(value: string): string {
  return /^[^\s,"]+$/.test(value) ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`;
}

function clause({ field, values, negated }: Filter): string {
  const name = field === "dest_port" ? "port" : field;
  return `${negated ? "!" : ""}${name}=${values.map(quoted).join(",")}`;
}

/** The filter expression: active chips, the namespace, what was typed in the search box, and the tab. */
export function expressionOf(filters: readonly Filter[], more: { namespace?: string; search?: string; denied?: boolean } = {}): string {
  const clauses = filters.filter((one) => !one.off).map(clause);
  if (more.denied) clauses.push("action=Deny");
  if (more.namespace) clauses.push(`namespace=${quoted(more.namespace)}`);
  if (more.search) clauses.push(more.search.trim());
  return clauses.join(" ");
}
