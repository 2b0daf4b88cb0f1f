/** The door of a pretended hub that is exposed: one token, one session at a time, and a login page in its plainest form. */
import { randomBytes } from "node:crypto";

const PAGE = "<!doctype html><html lang=en><title>ocicat: log in</title><h1>Log in</h1>";

export class Door {
  constructor(token) {
    this.token = token;
    this.session = "";
  }

  /** End the session, as time or a new start of the hub does. */
  expire() {
    this.session = "";
  }

  lets(request) {
    return !this.token || (this.session !== "" && (request.headers.cookie ?? "").includes(`ocicat_session=${this.session}`));
  }

  /** Answer when the path is the door's, or when nobody is let in. True when answered. */
  answers(request, response, path) {
    if (request.method === "POST" && path === "/login") return this.login(request, response);
    if (request.method === "POST" && path === "/logout") {
      this.expire();
      response.writeHead(204).end();
      return true;
    }
    if (path === "/login") {
      response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
      return true;
    }
    if (this.lets(request) || path.startsWith("/mock/")) return false;
    if (path.startsWith("/api/")) response.writeHead(401, { "Content-Type": "application/json" }).end(JSON.stringify({ error: "a token is needed" }));
    else response.writeHead(303, { Location: "/login" }).end();
    return true;
  }

  login(request, response) {
    let body = "";
    request.on("data", (chunk) => { body += chunk; });
    request.on("end", () => {
      const right = JSON.parse(body || "{}").token === this.token;
      if (right) this.session = randomBytes(8).toString("hex");
      response.writeHead(right ? 204 : 401, right ? { "Set-Cookie": `ocicat_session=${this.session}; HttpOnly; SameSite=Strict` } : {}).end();
    });
    return true;
  }
}
