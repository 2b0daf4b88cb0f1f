"""`Pool`: connections to a MySQL server that are kept and used again."""

import threading
from typing import Any, Final

import pymysql

CONNECT_S: Final = 2
ANSWER_S: Final = 5
KEPT: Final = 4
"""Idle connections that are kept at most."""


class Pool:
    """Connections to one database. Any thread may use it."""

    def __init__(self, host: str, port: int, database: str) -> None:
        """Keep where the database is; nothing is sent yet."""
        self._host: Final = host
        self._port: Final = port
        self._database: Final = database
        self._idle: Final[list[pymysql.Connection[Any]]] = []
        self._lock: Final = threading.Lock()

    def query(self, sql: str, arguments: tuple[object, ...] = ()) -> tuple[tuple[Any, ...], ...]:
        """Return the rows of a statement, which may be run twice when a kept connection turns out dead.

        Raises:
            pymysql.MySQLError: The server refuses it, or cannot be reached within some seconds.
        """
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return self._run(kept, sql, arguments)
            except pymysql.MySQLError:
                if kept.open:
                    raise
        return self._run(self._connect(), sql, arguments)

    def _run(
        self, connection: "pymysql.Connection[Any]", sql: str, arguments: tuple[object, ...]
    ) -> tuple[tuple[Any, ...], ...]:
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, arguments)
                return tuple(cursor.fetchall())
        finally:
            # PyMySQL closes a connection that broke; one on which a statement was refused is still good.
            if connection.open:
                self._give_back(connection)

    def _give_back(self, connection: "pymysql.Connection[Any]") -> None:
        with self._lock:
            if len(self._idle) < KEPT:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> "pymysql.Connection[Any]":
        return pymysql.connect(
            host=self._host, port=self._port, user="catfacts", database=self._database, autocommit=True,
            connect_timeout=CONNECT_S, read_timeout=ANSWER_S, write_timeout=ANSWER_S, charset="utf8mb4",
        )  # fmt: skip
