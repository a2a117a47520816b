"""The source database for real: what is read, and what is said when it cannot be."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from demo.mariadb import MariaDbServer
from image_duplication.errors import (
    ConfigurationError,
    ImageDuplicationError,
    SourceContractError,
    SourceError,
)
from image_duplication.queries import Source
from image_duplication.tables import SOURCE_COLUMNS
from tests.catalogues import CONNECTION, SQL_FOLDER, UPDATED_AT, SourceDatabase

ROOT = Path(__file__).parents[1]
SECRET = "wr0ng-s3cret"
BINDS = {"category_id": "7", "first_variant_id": 1, "last_variant_id": 10**9}
MIXED_TEXT = "कार्यालय की कुर्सी 🪑 क़ é e\u0301"


@pytest.fixture
def statements(tmp_path: Path) -> Path:
    folder = tmp_path / "sql"
    folder.mkdir()
    return folder


def open_and_close(source: Source) -> None:
    with source:
        pass


def read(source: Source, statement: str = "active_images") -> list[dict[str, object]]:
    with source:
        return list(source.rows(statement, SOURCE_COLUMNS, BINDS))


def source_at(url: str) -> Source:
    return Source(CONNECTION, url, SQL_FOLDER, fetch_rows=100)


# Reading ----------------------------------------------------------------------------------------


def test_source_gives_each_row_by_column_name(database: SourceDatabase) -> None:
    database.add_variant(12)
    database.add_image(12, "12-1", position=3)

    [row] = read(database.source())

    assert tuple(row) == SOURCE_COLUMNS
    assert (row["variant_id"], row["image_id"], row["position"]) == (12, "12-1", 3)
    assert str(row["updated_at"]).startswith("2024-04-01 09:30:00")


def test_source_keeps_hindi_emoji_and_normalisation_forms(database: SourceDatabase) -> None:
    url = f"https://assets-bg.gem.gov.in/{MIXED_TEXT}.jpg"
    database.add_variant(12, category_name=MIXED_TEXT)
    database.add_image(12, MIXED_TEXT, image_url=url)

    [row] = read(database.source())

    assert (row["category_name"], row["image_id"], row["image_url"]) == (
        MIXED_TEXT,
        MIXED_TEXT,
        url,
    )


def test_source_finds_by_a_bound_hindi_and_emoji_value(
    database: SourceDatabase, statements: Path
) -> None:
    (statements / "by_id.sql").write_text("SELECT image_id FROM inb_images WHERE image_id = :id")
    database.add_image(1, MIXED_TEXT)

    with database.source(statements) as source:
        rows = list(source.rows("by_id", ("image_id",), {"id": MIXED_TEXT}))

    assert rows == [{"image_id": MIXED_TEXT}]


@pytest.mark.parametrize("hostile", ["' OR '1'='1", '"; DROP TABLE inb_images; --', "%s", "\\' --"])
def test_source_binds_values_and_never_writes_them_into_the_statement(
    database: SourceDatabase, hostile: str
) -> None:
    database.add_variant(12)
    database.add_image(12, "12-1")

    with database.source() as source:
        rows = list(source.rows("active_images", SOURCE_COLUMNS, BINDS | {"category_id": hostile}))
        chosen = list(
            source.rows("chosen_categories", ("category_id",), {"category_ids": [hostile, "7"]})
        )

    assert rows == []
    assert [row["category_id"] for row in chosen] == ["7"]


def test_source_expands_a_list(database: SourceDatabase) -> None:
    for category_id in ("1", "2", "3"):
        database.add_variant(int(category_id), category_id)

    with database.source() as source:
        rows = list(
            source.rows("chosen_categories", ("category_id",), {"category_ids": ["1", "3", "9"]})
        )

    assert [row["category_id"] for row in rows] == ["1", "3"]


def test_source_passes_percent_signs_and_colons_of_a_statement(
    database: SourceDatabase, statements: Path
) -> None:
    (statements / "odd.sql").write_text(
        "-- Times like 10:30 and shares like 5% stay as they are.\n"
        "SELECT image_id FROM inb_images WHERE image_url LIKE 'https://%' AND '10:30' = '10:30'"
    )
    database.add_image(1, "1-1")

    with database.source(statements) as source:
        assert list(source.rows("odd", ("image_id",))) == [{"image_id": "1-1"}]


def test_source_hands_out_text_that_is_not_utf8_as_bytes(database: SourceDatabase) -> None:
    if not database.is_sqlite:
        database.create_tables({"image_url": sa.LargeBinary()})
    database.add_variant(12)
    database.add_image(12, "12-1")
    cast = "CAST(x'68FF' AS TEXT)" if database.is_sqlite else "x'68FF'"
    database.execute(f"UPDATE inb_images SET image_url = {cast}")

    [row] = read(database.source())

    assert row["image_url"] == b"h\xff"


def test_source_may_be_left_before_the_last_row(database: SourceDatabase) -> None:
    database.add_variants(1, 50)

    with database.source(fetch_rows=10) as source:
        first = next(source.rows("active_images", SOURCE_COLUMNS, BINDS))
        rows = list(source.rows("active_images", SOURCE_COLUMNS, BINDS))

    assert first == rows[0]
    assert len(rows) == 50


def test_source_reads_two_results_at_once(database: SourceDatabase) -> None:
    database.add_variants(3, 4)

    with database.source(fetch_rows=2) as source:
        one = source.rows("active_images", SOURCE_COLUMNS, BINDS)
        other = source.rows("active_images", SOURCE_COLUMNS, BINDS)
        pairs = list(zip(one, other, strict=True))

    assert len(pairs) == 12
    assert all(first == second for first, second in pairs)


STREAM = """
import json, resource, sys
from pathlib import Path
from image_duplication.queries import Source

def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

url, folder = json.load(sys.stdin)
with Source("gem_staging", url, Path(folder), fetch_rows=2000) as source:
    before = peak_kib()
    rows = source.rows("many", ("image_id", "image_url"))
    count = sum(len(row["image_url"]) > 400 for row in rows)
print(json.dumps([count, (peak_kib() - before) / 1024]))
"""


def test_source_streams_200_000_rows_in_flat_memory(
    mariadb: MariaDbServer, statements: Path
) -> None:
    # About 90 MB of values: a client that kept the result could not stay under the bound.
    (statements / "many.sql").write_text(
        "SELECT seq AS image_id, CONCAT('https://a.in/', REPEAT('x', 400), seq) AS image_url "
        "FROM seq_1_to_200000"
    )
    finished = subprocess.run(
        [sys.executable, "-c", STREAM],
        input=json.dumps([mariadb.url("reader"), str(statements)]),
        env={"PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    rows, growth_mb = json.loads(finished.stdout)
    assert rows == 200_000
    assert growth_mb < 30


# A connection that cannot work ------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def changed(server: MariaDbServer, **parts: object) -> str:
    url = sa.make_url(server.url("reader")).set(**parts)  # type: ignore[arg-type]
    return url.render_as_string(hide_password=False)


def failure(source: Source, server: MariaDbServer | None = None) -> ImageDuplicationError:
    """The error of opening and reading; it names the connection and gives no secret away."""
    with pytest.raises(ImageDuplicationError) as caught:
        read(source)
    shown = [caught.value]
    while shown[-1].__cause__ is not None:
        shown.append(shown[-1].__cause__)  # type: ignore[arg-type]
    for error in shown:
        assert SECRET not in str(error)
        if server is not None:
            assert server.reader_password not in str(error)
    assert repr(CONNECTION) in str(caught.value)
    return caught.value


def test_wrong_password_is_named(mariadb: MariaDbServer) -> None:
    error = failure(source_at(changed(mariadb, password=SECRET)), mariadb)

    assert isinstance(error, ConfigurationError)
    assert "Access denied for user" in str(error)


def test_unknown_user_is_named(mariadb: MariaDbServer) -> None:
    error = failure(source_at(changed(mariadb, username="nobody")), mariadb)

    assert isinstance(error, ConfigurationError)
    assert "Access denied for user 'nobody'" in str(error)


def test_unknown_database_is_named(mariadb: MariaDbServer) -> None:
    error = failure(source_at(changed(mariadb, database="gem_elsewhere")), mariadb)

    assert isinstance(error, ConfigurationError)
    assert "gem_elsewhere" in str(error)


def test_unreachable_port_is_transient(mariadb: MariaDbServer) -> None:
    error = failure(source_at(changed(mariadb, port=free_port())), mariadb)

    assert isinstance(error, SourceError)
    assert "127.0.0.1" in str(error)


def test_extra_that_breaks_the_url_is_named(mariadb: MariaDbServer) -> None:
    error = failure(source_at(f"{mariadb.url('reader')}&cursor=sscursor"), mariadb)

    assert isinstance(error, ConfigurationError)
    assert "cursor" in str(error)


@pytest.mark.parametrize("extra", ["connect_timeout=soon", "colour=red", "charset=klingon"])
def test_extra_with_a_wrong_value_is_permanent_or_overruled(
    mariadb: MariaDbServer, extra: str
) -> None:
    name = extra.partition("=")[0]
    source = source_at(f"{mariadb.url('reader').partition('?')[0]}?{extra}")
    if name == "charset":
        open_and_close(source)  # always utf8mb4, whatever the connection says
    else:
        assert isinstance(failure(source, mariadb), ConfigurationError)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (f"postgresql://gem:{SECRET}@127.0.0.1/gem", "'postgresql'"),
        (f"nonsense://gem:{SECRET}@127.0.0.1/gem", "'nonsense'"),
        (f"mysql+nodriver://gem:{SECRET}@127.0.0.1/gem", "nodriver"),
        (f"mysql+pymssql://gem:{SECRET}@127.0.0.1/gem", "pymssql"),
        (f"mysql:/gem:{SECRET}@127.0.0.1/gem", "not a usable database address"),
        ("", "not a usable database address"),
        (f"mysql://gem:{SECRET}@127.0.0.1:port/gem", "not a usable database address"),
        (f"mysql://gem:{SECRET}@127.0.0.1:{SECRET}/gem", "not a usable database address"),
        (f"mysql://gem:x@{SECRET}@127.0.0.1:1/gem", "percent-encode"),
    ],
    ids=["other_database", "unknown", "unknown_driver", "no_such_driver", "one_slash", "empty",
         "text_port", "secret_as_port", "at_sign_in_password"],
)  # fmt: skip
def test_address_that_cannot_work_is_named_without_its_secrets(url: str, named: str) -> None:
    error = failure(source_at(url))

    assert isinstance(error, ConfigurationError)
    assert named in str(error)


def test_password_with_special_characters_works_when_it_is_encoded(mariadb: MariaDbServer) -> None:
    secret = "p@ss/w:rd%#? é"
    writer = sa.create_engine(mariadb.url("writer"), poolclass=sa.pool.NullPool)
    # Only to see that the address is understood: the server then refuses the password.
    url = f"mysql://gem:{quote(secret, safe='')}@127.0.0.1:{mariadb.port}/gem_staging"

    error = failure(source_at(url))

    assert "Access denied for user 'gem'" in str(error)
    writer.dispose()


def test_missing_sqlite_file_is_named_and_not_made(tmp_path: Path) -> None:
    error = failure(source_at(f"sqlite:///{tmp_path / 'gone.db'}"))

    assert isinstance(error, ConfigurationError)
    assert str(tmp_path / "gone.db") in str(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["text", "folder"])
def test_sqlite_file_that_is_none_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd.db"
    if kind == "text":
        path.write_text("this is no database, however long it may be, so there" * 40)
    else:
        path.mkdir()

    error = failure(source_at(f"sqlite:///{path}"))

    assert isinstance(error, ConfigurationError)


def test_locked_sqlite_database_is_transient(sqlite_database: SourceDatabase) -> None:
    sqlite_database.add_variant(1)
    source = sqlite_database.source()
    locked = sa.create_engine(sqlite_database.url, poolclass=sa.pool.NullPool)
    waiting_briefly = Source(
        CONNECTION, f"{sqlite_database.url}?timeout=0.1", SQL_FOLDER, fetch_rows=10
    )
    open_and_close(source)

    with locked.connect() as connection:
        connection.execute(sa.text("BEGIN EXCLUSIVE"))
        error = failure(waiting_briefly)

    assert isinstance(error, SourceError)
    assert "locked" in str(error)


# A source that is not what the statements expect ------------------------------------------------


def test_missing_table_is_named(database: SourceDatabase) -> None:
    database.execute("DROP TABLE inb_images")

    error = failure(database.source())

    assert isinstance(error, SourceContractError)
    assert "inb_images" in str(error)
    assert "active_images" in str(error)


def test_missing_column_is_named(database: SourceDatabase) -> None:
    database.execute("ALTER TABLE inb_variants DROP COLUMN seller_id")

    error = failure(database.source())

    assert isinstance(error, SourceContractError)
    assert "seller_id" in str(error)


def test_statement_without_a_contract_column_is_named(
    database: SourceDatabase, statements: Path
) -> None:
    shipped = (SQL_FOLDER / "active_images.sql").read_text()
    (statements / "active_images.sql").write_text(shipped.replace("AS product_url", "AS link"))

    error = failure(database.source(statements))

    assert isinstance(error, SourceContractError)
    assert "'product_url'" in str(error)
    assert "'active_images'" in str(error)


@pytest.mark.parametrize(
    "statement",
    [
        "SELEKT 1",
        "SELECT image_id FROM",
        "SELECT (1 AS image_id",
        "SELECT no_such_function(1) AS image_id",
        "SELECT variant_id FROM inb_variants AS a JOIN inb_variants AS b ON 1 = 1",
        "SELECT nothing.image_id FROM inb_images",
    ],
    ids=["keyword", "unfinished", "bracket", "function", "ambiguous", "unknown_alias"],
)
def test_statement_that_is_wrong_is_permanent(
    database: SourceDatabase, statements: Path, statement: str
) -> None:
    (statements / "active_images.sql").write_text(statement)

    error = failure(database.source(statements))

    assert isinstance(error, SourceContractError)
    assert "active_images" in str(error)


def test_statement_with_a_bind_that_nobody_gives_is_named(
    database: SourceDatabase, statements: Path
) -> None:
    (statements / "active_images.sql").write_text("SELECT :colour AS image_id")

    error = failure(database.source(statements))

    assert isinstance(error, ConfigurationError | SourceContractError)
    assert "colour" in str(error)


def test_missing_statement_is_named(database: SourceDatabase, statements: Path) -> None:
    with (
        database.source(statements) as source,
        pytest.raises(ConfigurationError, match=r"active_images\.sql"),
    ):
        next(source.rows("active_images", SOURCE_COLUMNS, BINDS))


def test_reader_without_the_right_to_read_a_table_is_named(
    mariadb: MariaDbServer, statements: Path
) -> None:
    (statements / "active_images.sql").write_text("SELECT user AS image_id FROM mysql.db")

    error = failure(Source(CONNECTION, mariadb.url(), statements, fetch_rows=1), mariadb)

    assert isinstance(error, ConfigurationError)
    assert "denied" in str(error)


def test_times_come_as_times_or_text(database: SourceDatabase) -> None:
    database.add_variant(1)
    database.add_image(1, "1-1")

    [row] = read(database.source())

    time = row["updated_at"]
    assert time == UPDATED_AT or datetime.fromisoformat(str(time)) == UPDATED_AT


def test_connection_dropped_while_reading_is_transient(
    mariadb: MariaDbServer, statements: Path
) -> None:
    (statements / "active_images.sql").write_text(
        f"SELECT {', '.join(f'seq AS {name}' for name in SOURCE_COLUMNS)} FROM seq_1_to_5000000"
    )
    own = sa.create_engine(mariadb.url("writer"), poolclass=sa.pool.NullPool)
    find = sa.text("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE '%seq_1_to_5%'")

    with Source(CONNECTION, mariadb.url("writer"), statements, fetch_rows=10) as source:
        rows = source.rows("active_images", SOURCE_COLUMNS, BINDS)
        next(rows)
        with own.connect() as connection:
            ids = [row.ID for row in connection.execute(find)]
            own_id = connection.execute(sa.text("SELECT CONNECTION_ID()")).scalar()
            connection.execute(sa.text(f"KILL {next(id_ for id_ in ids if id_ != own_id)}"))
        with pytest.raises(SourceError, match=repr(CONNECTION)):
            sum(1 for _ in rows)
