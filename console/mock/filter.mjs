/** Reads the filter expression of docs/explanation/console-api.md, and judges flows by it. */

export class FilterError extends Error {
  constructor(message, column) {
    super(message);
    this.column = column;
  }
}

const SIDES = { name: ["source_name", "dest_name"], namespace: ["source_namespace", "dest_namespace"], label: ["source_labels", "dest_labels"], ip: ["source_ip", "dest_ip"] };
const FIELDS = new Set(["source_name", "dest_name", "name", "source_namespace", "dest_namespace", "namespace", "source_label", "dest_label", "label",
  "source_ip", "dest_ip", "ip", "service", "protocol", "port", "reporter", "action", "staged_action", "policy", "node", "bytes", "packets", "connections"]);

function glob(pattern, text) {
  if (!pattern.includes("*")) return false;
  const source = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return new RegExp(`^${source}$`).test(text);
}

const equals = (value, text) => value === text || glob(value, text);
const contains = (value, text) => text.includes(value) || glob(value, text) || glob(`${value}*`, text);

function tokens(text) {
  const found = [];
  const pattern = /!?(?:[a-z_]+[=~<>])?(?:"(?:\\.|[^"\\])*"|[^\s",])+(?:,(?:"(?:\\.|[^"\\])*"|[^\s",])+)*/y;
  let at = 0;
  while (at < text.length) {
    if (text[at] === " ") { at += 1; continue; }
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) throw new FilterError(`cannot read ${JSON.stringify(text.slice(at, at + 12))}`, at + 1);
    found.push({ text: match[0], column: at + 1 });
    at = pattern.lastIndex;
  }
  return found;
}

function values(text) {
  return [...text.matchAll(/"((?:\\.|[^"\\])*)"|([^",]+)/g)].map((one) => one[2] ?? one[1].replace(/\\(.)/g, "$1"));
}

/** Text → list of { field, operator, values, negated }. Raises FilterError. */
export function parse(text) {
  return tokens(text).map(({ text: token, column }) => {
    const negated = token.startsWith("!");
    const body = negated ? token.slice(1) : token;
    const match = /^([a-z_]+)([=~<>])(.*)$/.exec(body);
    if (!match) return { field: "text", operator: "~", values: values(body), negated };
    const [, field, operator, rest] = match;
    if (!FIELDS.has(field)) throw new FilterError(`unknown field "${field}"`, column + (negated ? 1 : 0));
    return { field, operator, values: values(rest), negated };
  });
}

const mapped = (field, value) => (field.endsWith("namespace") && value === "Global" ? "-" : value);

function policyMatches(flow, value) {
  const [kind = "", tier = "", namespace = "", name = ""] = value.split("/");
  return [...flow.policies.enforced, ...flow.policies.pending].some((one) => [one, one.trigger].some((hit) => hit &&
    (!kind || hit.kind === kind) && (!tier || equals(tier, hit.tier)) && (!namespace || equals(namespace, hit.namespace)) && (!name || equals(name, hit.name))));
}

function texts(flow, field) {
  if (field === "service") return [flow.dest_service_name, `${flow.dest_service_namespace}/${flow.dest_service_name}`];
  if (field === "source_label" || field === "dest_label") return flow[`${field}s`];
  if (field === "text") return [flow.source_name, flow.dest_name, flow.source_namespace, flow.dest_namespace, flow.dest_service_name,
    ...flow.source_labels, ...flow.dest_labels, ...flow.policies.enforced.map((hit) => hit.trigger?.name ?? hit.name)];
  if (field === "staged_action") return flow.policies.pending.map((hit) => hit.action);
  return (SIDES[field] ?? [field]).flatMap((key) => flow[key]);
}

function number(flow, field) {
  if (field === "port") return flow.dest_port;
  return field === "connections" ? flow.connections_started : flow[`${field}_in`] + flow[`${field}_out`];
}

function one(flow, { field, operator }, value) {
  if (field === "policy") return policyMatches(flow, value);
  if (operator === ">" || operator === "<") return operator === ">" ? number(flow, field) > Number(value) : number(flow, field) < Number(value);
  if (field === "port") {
    const [low, high = low] = value.split("-").map(Number);
    return flow.dest_port >= low && flow.dest_port <= high;
  }
  const wanted = mapped(field, value);
  if (field.endsWith("label")) return texts(flow, field).some((text) => text === wanted.replace(":", "=") || text.split("=")[0] === wanted);
  return texts(flow, field).some((text) => (operator === "~" ? contains(wanted, text) : equals(wanted, text)));
}

/** Whether a flow meets all clauses. */
export function meets(flow, clauses) {
  return clauses.every((clause) => clause.values.some((value) => one(flow, clause, value)) !== clause.negated);
}
