"""The database of catfacts: the MySQL protocol over an SQLite file.

Statements are parsed as MySQL's and run as SQLite's, so ordinary clients and ordinary SQL work. There is one
database, `catfacts`, anybody may use it (the lab's policies say who reaches it), and each statement is its
own transaction. The number of changed rows is not told: the protocol library always says 0.

Environment: PORT (3306), DATA (the file, /var/lib/catfacts/catfacts.sqlite).
"""

import asyncio
import logging
import os
import re
import signal
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from mysql_mimic.connection import Connection
from mysql_mimic.errors import ErrorCode, MysqlError
from mysql_mimic.server import MysqlServer
from mysql_mimic.session import Session
from sqlglot import expressions as exp
from sqlglot.errors import SqlglotError

from ocicat.cluster.pods.programs.process import listening, peer_name, tell

DATABASE: Final = "catfacts"
UNKNOWN_DATABASE: Final = 1049
NO_SUCH_TABLE: Final = 1146
TABLE_EXISTS: Final = 1050
DUPLICATE_ENTRY: Final = 1062
_PAINT: Final = re.compile(r"\x1b\[\d*m")
"""What underlines a place in a message for a terminal."""

Rows = tuple[Sequence[Sequence[Any]], Sequence[str]]


def open_store(path: str) -> sqlite3.Connection:
    """Open the store, made where it is absent. Raises OSError, sqlite3.Error."""
    if path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("PRAGMA synchronous = NORMAL")
    return store


class StoreSession(Session):  # type: ignore[misc] # the protocol library is not typed
    """One client's session."""

    def __init__(self, store: sqlite3.Connection) -> None:
        """Work on a store that all sessions share."""
        super().__init__()
        self._store: Final = store
        self._peer = ""

    async def init(self, connection: Connection) -> None:
        """Begin."""
        await super().init(connection)
        self._peer = peer_name(connection.stream.writer.get_extra_info("peername"))
        tell("connection.opened", peer=self._peer, user=self.username or "")

    async def close(self) -> None:
        """End."""
        tell("connection.closed", peer=self._peer)
        await super().close()

    async def use(self, database: str) -> None:
        """Choose the database. Raises MysqlError where it is another than ours."""
        _check_database(database)
        await super().use(database)

    async def schema(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the tables with their columns, which SHOW and information_schema answer from."""
        tables = self._store.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return {
            DATABASE: {
                table: {
                    name: kind.lower()
                    for name, kind in self._store.execute(
                        "SELECT name, type FROM pragma_table_info(?)", (table,)
                    )
                }
                for (table,) in tables.fetchall()
            }
        }

    async def handle_query(self, sql: str, attrs: dict[str, str]) -> Any:
        """Parse and run what a client sent. Raises MysqlError."""
        try:
            return await super().handle_query(sql, attrs)
        except SqlglotError as error:
            raise MysqlError(_PAINT.sub("", str(error)), ErrorCode.PARSE_ERROR) from error

    async def query(self, expression: exp.Expression, sql: str, attrs: dict[str, str]) -> Rows:
        """Run a statement. Raises MysqlError."""
        if self.database:  # the protocol library lets a client begin with any name
            _check_database(self.database)
        for table in expression.find_all(exp.Table):
            if table.db:
                _check_database(table.db)
                table.set("db", None)
        match expression:
            case exp.Create(kind="DATABASE" | "SCHEMA"):
                return self._create_database(expression)
            case exp.TruncateTable():
                for table in expression.expressions:
                    self._execute(exp.Delete(this=table).sql("sqlite"))
                return [], []
            case exp.Insert() if "ON DUPLICATE KEY" in expression.sql("mysql"):
                raise MysqlError("ON DUPLICATE KEY is not supported here", ErrorCode.NOT_SUPPORTED_YET)
            case _:
                return self._execute(expression.sql("sqlite"))

    def _create_database(self, expression: exp.Create) -> Rows:
        if expression.this.name != DATABASE:
            raise MysqlError(f"there is one database, {DATABASE}", ErrorCode.NOT_SUPPORTED_YET)
        return [], []

    def _execute(self, sql: str) -> Rows:
        try:
            cursor = self._store.execute(sql)
            rows = cursor.fetchall()
        except sqlite3.Error as error:
            raise MysqlError(str(error), _code(error)) from error
        return rows, [column[0] for column in cursor.description or ()]


def _check_database(name: str) -> None:
    if name != DATABASE:
        raise MysqlError(f"Unknown database '{name}'", _numbered(UNKNOWN_DATABASE))


def _code(error: sqlite3.Error) -> ErrorCode:
    """Return MySQL's number for an error of SQLite, which clients turn into exceptions."""
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError):
        return _numbered(DUPLICATE_ENTRY)
    if text.startswith("no such table"):
        return _numbered(NO_SUCH_TABLE)
    if text.endswith("already exists"):
        return _numbered(TABLE_EXISTS)
    return ErrorCode.PARSE_ERROR if "syntax error" in text else ErrorCode.UNKNOWN_ERROR


def _numbered(number: int) -> ErrorCode:
    """Return an error number of MySQL's: the protocol library names only some, and sends any."""
    return cast("ErrorCode", number)


async def serve(port: int, store: sqlite3.Connection) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = MysqlServer(session_factory=lambda: StoreSession(store))
    sockets = listening(port)
    serving = [await asyncio.start_server(server._client_connected_cb, sock=sock) for sock in sockets]
    tell("listening", port=sockets[0].getsockname()[1])
    await ended.wait()
    tell("ended")
    for one in serving:
        one.close()
    store.close()
    os._exit(0)  # sessions that are open have nothing left to do


def main() -> None:
    """Be the database."""
    # The library logs each refused statement with its traceback; the client is told, which is enough.
    logging.getLogger("mysql_mimic").setLevel(logging.CRITICAL)
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    # A client that vanishes in the middle of its session is normal; asyncio would tell its traceback.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    store = open_store(os.environ.get("DATA", "/var/lib/catfacts/catfacts.sqlite"))
    asyncio.run(serve(int(os.environ.get("PORT", "3306")), store))


if __name__ == "__main__":
    main()
