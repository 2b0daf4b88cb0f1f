"""The database of catfacts, as an ordinary MySQL client sees it."""

import pymysql
import pytest

from support.podprograms import programs


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    with programs() as starting:
        program = starting.start("catfacts_db", PORT=0, DATA=tmp_path_factory.mktemp("db") / "db.sqlite")
        yield program.port


@pytest.fixture
def cursor(db):
    connection = pymysql.connect(
        host="127.0.0.1", port=db, user="anybody", database="catfacts", autocommit=True
    )
    with connection, connection.cursor() as found:
        found.execute("DROP TABLE IF EXISTS cats")
        found.execute(
            "CREATE TABLE cats (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL UNIQUE)"
            " ENGINE=InnoDB"
        )
        found.executemany("INSERT INTO cats (name) VALUES (%s)", [("Mia",), ("O'Malley",), ("Müßig\n%s",)])
        yield found


ANSWERS = [
    ("SELECT name FROM cats ORDER BY id", (("Mia",), ("O'Malley",), ("Müßig\n%s",))),
    ("SELECT COUNT(*) FROM catfacts.cats", ((3,),)),
    ("SELECT CONCAT(name, '!') FROM cats LIMIT 1", (("Mia!",),)),
    ("SELECT COUNT(*) FROM (SELECT name FROM cats ORDER BY RAND() LIMIT 2) AS two", ((2,),)),
    ("SHOW TABLES", (("cats",),)),
    ("SELECT DATABASE()", (("catfacts",),)),
    ("SELECT 1 + 1", ((2,),)),
    ("SELECT table_name FROM information_schema.tables WHERE table_schema = 'catfacts'", (("cats",),)),
]


@pytest.mark.parametrize(("sql", "rows"), ANSWERS, ids=[sql for sql, _ in ANSWERS])
def test_mysqls_sql_is_answered(cursor, sql, rows):
    cursor.execute(sql)
    assert tuple(cursor.fetchall()) == rows


def test_describe_names_the_columns(cursor):
    cursor.execute("DESCRIBE cats")
    assert [row[0] for row in cursor.fetchall()] == ["id", "name"]


CHANGES = [
    ("INSERT IGNORE INTO cats (name) VALUES ('Mia')", 3),
    ("REPLACE INTO cats (name) VALUES ('Tom')", 4),
    ("DELETE FROM cats WHERE name LIKE 'M%'", 1),
    ("TRUNCATE TABLE cats", 0),
    ("CREATE DATABASE IF NOT EXISTS catfacts", 3),
    ("USE catfacts", 3),
    ("CREATE TABLE IF NOT EXISTS cats (a INT)", 3),
]


@pytest.mark.parametrize(("sql", "left"), CHANGES, ids=[sql for sql, _ in CHANGES])
def test_statements_change_the_store(cursor, sql, left):
    cursor.execute(sql)
    cursor.execute("SELECT COUNT(*) FROM cats")
    assert cursor.fetchone() == (left,)


REFUSALS = [
    ("SELECT * FROM dogs", pymysql.ProgrammingError, 1146),
    ("INSERT INTO cats (name) VALUES ('Mia')", pymysql.IntegrityError, 1062),
    ("SELEC name FROM cats", pymysql.ProgrammingError, 1064),
    ("CREATE TABLE cats (a INT)", pymysql.OperationalError, 1050),
    ("USE dogs", pymysql.OperationalError, 1049),
    ("SELECT * FROM dogs.cats", pymysql.OperationalError, 1049),
    ("CREATE DATABASE dogs", pymysql.NotSupportedError, 1235),
    (
        "INSERT INTO cats (name) VALUES ('a') ON DUPLICATE KEY UPDATE name = 'b'",
        pymysql.NotSupportedError,
        1235,
    ),
]


@pytest.mark.parametrize(("sql", "kind", "code"), REFUSALS, ids=[sql for sql, _, _ in REFUSALS])
def test_refusals_have_mysqls_numbers_and_leave_the_connection_good(cursor, sql, kind, code):
    with pytest.raises(kind) as caught:
        cursor.execute(sql)
    assert caught.value.args[0] == code
    cursor.execute("SELECT COUNT(*) FROM cats")
    assert cursor.fetchone() == (3,)


def test_another_database_is_unknown(db):
    connection = pymysql.connect(host="127.0.0.1", port=db, user="anybody", database="dogs")
    with connection, connection.cursor() as found, pytest.raises(pymysql.OperationalError) as caught:
        found.execute("CREATE TABLE mine (a INT)")
    assert caught.value.args[0] == 1049


def test_what_was_stored_is_there_after_a_kill(tmp_path):
    with programs() as starting:
        for wanted in (0, 1):
            program = starting.start("catfacts_db", PORT=0, DATA=tmp_path / "deep" / "db.sqlite")
            address = {"host": "127.0.0.1", "port": program.port, "user": "x", "database": "catfacts"}
            connection = pymysql.connect(**address)
            with connection, connection.cursor() as found:
                found.execute("CREATE TABLE IF NOT EXISTS cats (name TEXT)")
                found.execute("SELECT COUNT(*) FROM cats")
                assert found.fetchone() == (wanted,)
                found.execute("INSERT INTO cats (name) VALUES ('Mia')")
                program.end(9)
