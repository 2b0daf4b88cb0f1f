/** The event stream: backfill, then each second what happened in it, until the reader goes. */
import { meets } from "./filter.mjs";
import { chosen, listed } from "./flows.mjs";
import { over } from "./traffic.mjs";

const BATCH = 500;

export class Streams {
  constructor(hub) {
    this.hub = hub;
    this.readers = new Set();
    this.timer = setInterval(() => this.tick(), 1000);
  }

  /** Serve one reader. `last` is the second after which to go on, or null. */
  open(response, query, last) {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
    const reader = { response, query, at: Math.floor(Date.now() / 1000) };
    response.write("retry: 1000\n\n");
    if (last === null) this.backfill(reader);
    else reader.at = last;
    for (const loss of this.hub.losses) this.send(reader, "lost", loss);
    this.send(reader, "caught-up", {});
    this.sendLag(reader);
    this.readers.add(reader);
    response.on("close", () => this.readers.delete(reader));
  }

  backfill(reader) {
    const { clauses, from, group } = reader.query;
    this.sendFlows(reader, listed(this.hub, { clauses, from, to: reader.at, group }));
  }

  send({ response }, event, data, id) {
    response.write(`event: ${event}\n${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(data)}\n\n`);
  }

  sendFlows(reader, flows) {
    for (let i = 0; i < flows.length; i += BATCH) this.send(reader, "flow", flows.slice(i, i + BATCH), reader.at);
  }

  sendLag(reader) {
    this.send(reader, "lag", { now: new Date().toISOString(), lag_ms: this.hub.lagMs(), flows_per_s: this.hub.entries.length });
  }

  tick() {
    const now = Math.floor(Date.now() / 1000);
    for (const reader of this.readers) {
      for (; reader.at < now; reader.at += 1) {
        const flows = chosen(this.hub, reader.query.clauses).map((entry) => over(entry, reader.at, reader.at + 1)).filter(Boolean);
        const kept = flows.filter((flow) => meets(flow, reader.query.clauses));
        this.sendFlows({ ...reader, at: reader.at + 1 }, kept);
      }
      if (now % 2 === 0) this.sendLag(reader);
      if (now % 15 === 0) reader.response.write(": still here\n\n");
    }
  }

  tell(event, data) {
    for (const reader of this.readers) this.send(reader, event, data);
  }

  /** Break every stream, as a restarting hub does. */
  drop() {
    for (const reader of this.readers) reader.response.destroy();
    this.readers.clear();
  }

  close() {
    clearInterval(this.timer);
    this.drop();
  }
}
