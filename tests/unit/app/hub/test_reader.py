"""The command line's reader of a hub goes on after the last position that it was told, whatever told it."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from ocicat.app.hub.reader import HubReader

FIRST = b'id: 7\nevent: lag\ndata: {"now": "", "lag_ms": 0, "flows_per_s": 0}\n\n'
THEN = b'id: 8\nevent: flow\ndata: [{"dest_port": 80}]\n\n'


@contextmanager
def hub(answers: list[bytes], positions: list[list[str]]) -> Iterator[str]:
    """Serve streams that end after one event each; note the positions that are asked for."""

    class Stream(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            positions.append(parse_qs(urlsplit(self.path).query).get("last_event_id", []))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers.pop(0))

        def log_message(self, *_said: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stream)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def test_a_follower_whose_flows_are_rare_goes_on_after_what_was_looked_at() -> None:
    positions: list[list[str]] = []
    with hub([FIRST, THEN], positions) as url, closing(HubReader(url).follow({})) as flows:
        assert next(flows) == {"dest_port": 80}
    assert positions == [[], ["7"]]
