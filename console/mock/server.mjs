/**
 * The mock hub as a program: `node mock/server.mjs [--port N] [--workloads 3|30|300] [--ports N] [--scenario NAME] [--seed N] [--token TEXT] [--root DIR]`.
 *
 * Serves the contract, and the built console from --root with the policy that the real hub sends. POST /mock/… changes
 * the scene for tests: fix, drop, lose?records=N, fail, heal, expire.
 */
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { Door } from "./door.mjs";
import { Hub } from "./hub.mjs";
import { answer, queryOf } from "./routes.mjs";
import { Streams } from "./stream.mjs";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

function scene(hub, streams, door, url) {
  const acts = {
    "/mock/fix": () => hub.govern(true),
    "/mock/drop": () => streams.drop(),
    "/mock/lose": () => streams.tell("lost", hub.lose(Number(url.searchParams.get("records") ?? 1204))),
    "/mock/fail": () => { hub.failing = true; streams.drop(); },
    "/mock/heal": () => { hub.failing = false; },
    "/mock/expire": () => { door.expire(); streams.drop(); },
  };
  acts[url.pathname]?.();
  return Boolean(acts[url.pathname]);
}

/** A listener for Node's http that answers for the hub; false when the path is not the hub's. */
export function listener(hub, streams) {
  const door = new Door(hub.token);
  return (request, response) => {
    const url = new URL(request.url, "http://hub");
    if (door.answers(request, response, url.pathname)) return true;
    const json = (status, body) => response.writeHead(status, { "Content-Type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
    if (request.method === "POST" && scene(hub, streams, door, url)) { response.writeHead(204).end(); return true; }
    if (url.pathname === "/api/v1/flows/stream" && !hub.failing) {
      try {
        const query = queryOf(url.searchParams);
        const last = request.headers["last-event-id"] ?? url.searchParams.get("last_event_id");
        streams.open(response, query, last ? Number(last) : null);
      } catch (mistake) {
        json(400, { error: mistake.message, column: mistake.column });
      }
      return true;
    }
    const found = answer(hub, url);
    if (found) json(found.status, found.body);
    return Boolean(found);
  };
}

async function serveFile(root, path, response) {
  const name = extname(path) ? normalize(path) : "index.html";
  try {
    const body = await readFile(join(root, name));
    response.writeHead(200, { "Content-Type": TYPES[extname(name)] ?? "application/octet-stream", "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff" }).end(body);
  } catch {
    response.writeHead(404).end("not found\n");
  }
}

/** Start serving; resolves to { port, close }. */
export async function serve({ port = 0, root, ...scenario }) {
  const hub = new Hub(scenario);
  const streams = new Streams(hub);
  const answerTo = listener(hub, streams);
  const server = createServer((request, response) => {
    if (!answerTo(request, response)) void serveFile(root, new URL(request.url, "http://hub").pathname, response);
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return { port: server.address().port, close: () => { streams.close(); server.close(); } };
}

function argumentsOf(list) {
  const read = (name, fallback) => (list.includes(`--${name}`) ? list[list.indexOf(`--${name}`) + 1] : fallback);
  const root = fileURLToPath(new URL("../../src/ocicat/api/console", import.meta.url));
  return {
    port: Number(read("port", 8099)), workloads: Number(read("workloads", 30)), ports: Number(read("ports", 1)), scenario: read("scenario", "default"), seed: Number(read("seed", 7)), root: read("root", root), token: read("token", ""),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { port } = await serve(argumentsOf(process.argv.slice(2)));
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`);
}
