/** Paths → answers. An answer is { status, body } or null when the path is not the hub's. */
import { FilterError, parse } from "./filter.mjs";
import { details, graph, hints, listed, page, timeseries, top } from "./flows.mjs";
import { board, endpoints } from "./board.mjs";
import { clausesOf, hintField, whiskerList } from "./whisker.mjs";

const now = () => Math.floor(Date.now() / 1000);

function time(text, fallback) {
  if (!text) return fallback;
  const second = /^-?\d+$/.test(text) ? now() + Number(text) : Math.floor(Date.parse(text) / 1000);
  if (Number.isNaN(second)) throw new FilterError(`${JSON.stringify(text)} is not a time`);
  return second;
}

/** The parameters that most paths share. Raises FilterError. */
export function queryOf(params) {
  const get = (name, fallback) => params.get(name) || fallback;
  return {
    clauses: parse(get("q", "")), from: time(params.get("from"), now() - 3600), to: time(params.get("to"), now()),
    group: get("group", "reporter"), limit: Math.min(20000, Number(get("limit", 500))), cursor: params.get("cursor") || undefined,
    field: get("field", ""), text: get("text", ""), by: get("by", "action"), measure: get("measure", "bytes"), step: Number(get("step_s", 60)),
    namespace: get("namespace", ""),
  };
}

function own(hub, path, query) {
  const flow = /^\/flows\/([^/]+)$/.exec(path);
  if (flow) return details(hub, decodeURIComponent(flow[1]), query);
  switch (path) {
    case "/flows": return page(hub, query);
    case "/timeseries": return timeseries(hub, query);
    case "/top": return top(hub, query);
    case "/graph": return graph(hub, query);
    case "/policies": return board(hub, query);
    case "/endpoints": return endpoints(hub, query);
    case "/hints": return hints(hub, query);
    case "/status": return hub.status();
    case "/session": return hub.session();
    case "/export": return listed(hub, query);
    default: return null;
  }
}

function whisker(hub, path, params) {
  const clauses = clausesOf(params.get("filters"));
  if (path === "/flows") return whiskerList(hub, clauses, time(params.get("startTimeGte"), now() - 3600), time(params.get("startTimeLt"), now()));
  if (path !== "/flows-filter-hints") return null;
  const field = hintField(params.get("type"));
  if (!field) throw new FilterError("type is required");
  const limit = Number(params.get("pageSize") || 20);
  const found = hints(hub, { clauses, field, text: "", limit, cursor: Number(params.get("page") || 0) * limit });
  return { total: { totalPages: Math.ceil(found.total / limit), totalResults: found.total }, items: found.items };
}

/** Answer a GET, or null. */
export function answer(hub, url) {
  const { pathname, searchParams } = url;
  try {
    const ours = pathname.startsWith("/api/v1/");
    if (!ours && !pathname.startsWith("/whisker-backend/")) return null;
    if (hub.failing) return { status: 503, body: { error: "the flow store is not open" } };
    const body = ours ? own(hub, pathname.slice(7), queryOf(searchParams)) : whisker(hub, pathname.slice(16), searchParams);
    return body ? { status: 200, body } : { status: 404, body: { error: "not found" } };
  } catch (mistake) {
    if (!(mistake instanceof FilterError) && !(mistake instanceof SyntaxError)) throw mistake;
    return { status: 400, body: { error: mistake.message, ...(mistake.column ? { column: mistake.column } : {}) } };
  }
}
