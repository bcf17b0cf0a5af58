"""The ledger's database: SQLite in a folder, or PostgreSQL by its URL. Only this module speaks SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, make_url

from kit.errors import InputError, KitError, MissingExtra
from serving.ledger.entry import Row, Used
from serving.ledger.prices import Prices

SQLITE_FILE = "usage.sqlite"
MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATING = 6_011_883  # the advisory lock under which a PostgreSQL database gets its tables
_MICROS = 1_000_000
_WAIT_SECONDS = 10

usage = sa.Table(
    "usage",
    sa.MetaData(),
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("request_id", sa.String(128)),
    sa.Column("day", sa.String(10)),
    sa.Column("begun_at", sa.DateTime(timezone=True)),
    sa.Column("key_id", sa.String(128)),
    sa.Column("bundle", sa.String(64)),
    sa.Column("name", sa.String(200)),
    sa.Column("route", sa.String(200)),
    sa.Column("prompt_tokens", sa.BigInteger),
    sa.Column("completion_tokens", sa.BigInteger),
    sa.Column("seconds", sa.Float),
    sa.Column("cost_micros", sa.BigInteger),
    sa.Column("outcome", sa.String(16)),
)
_SUMS = (
    sa.func.count().label("requests"),
    *(sa.func.coalesce(sa.func.sum(usage.c[name]), 0).label(name) for name in ("prompt_tokens", "completion_tokens")),
    *(sa.func.coalesce(sa.func.sum(usage.c[name]), 0).label(name) for name in ("seconds", "cost_micros")),
)


class Database:
    """The rows of the ledger. Adding a row twice keeps one, so that a crash between two steps cannot count it twice."""

    def __init__(self, url: str) -> None:
        self.place = _shown(url)
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")
            kind: Any = _INSERTS[parsed.get_backend_name()]
            self._insert = kind(usage).on_conflict_do_nothing()
            self._engine = sa.create_engine(
                parsed, hide_parameters=True, pool_pre_ping=True, connect_args=_wait(parsed)
            )
        except ModuleNotFoundError:
            raise MissingExtra("psycopg", "postgres") from None
        except (sa.exc.ArgumentError, KeyError):
            advice = "Give a URL such as postgresql://USER@HOST/DATABASE, or sqlite:////FOLDER/usage.sqlite"
            raise InputError("This is no database that the ledger can use.", self.place, advice) from None
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)

    def migrate(self) -> None:
        """Make the tables, or bring them up to date. Raises KitError if the database cannot be reached."""
        config = Config()
        config.set_main_option("script_location", MIGRATIONS.as_posix())
        try:
            with self._engine.begin() as connection:
                _lock(connection)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except sa.exc.SQLAlchemyError as error:
            raise _unreachable(error, self.place) from None

    def add(self, rows: Iterable[Row], prices: Prices) -> None:
        """Add rows in one transaction; those that are there already stay. Raises KitError if it cannot."""
        values = [_values(row, prices) for row in rows]
        if not values:
            return
        try:
            with self._engine.begin() as connection:
                connection.execute(self._insert, values)
        except sa.exc.SQLAlchemyError as error:
            raise _unreachable(error, self.place) from None

    def sums(
        self, by: Sequence[str] = (), since: str = "", until: str = "", key: str | None = None
    ) -> list[tuple[tuple[str, ...], Used]]:
        """Return the sums of each group of rows, in the groups' order; `since` and `until` are days, both included.

        `by` names columns. Raises KitError if the database cannot be reached.
        """
        columns = [usage.c[name] for name in by]
        query = sa.select(*columns, *_SUMS).where(usage.c.day >= since)
        query = query.where(usage.c.day <= until) if until else query
        query = query.where(usage.c.key_id == key) if key is not None else query
        query = query.group_by(*columns).order_by(*columns) if columns else query
        try:
            with self._engine.connect() as connection:
                found = connection.execute(query).all()
        except sa.exc.SQLAlchemyError as error:
            raise _unreachable(error, self.place) from None
        return [(tuple(map(str, row[: len(columns)])), _used(row._mapping)) for row in found if row.requests]

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def sqlite_url(folder: Path) -> str:
    """Return the URL of the ledger in a folder."""
    return f"sqlite:///{(folder / SQLITE_FILE).absolute()}"


def _wait(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"timeout": _WAIT_SECONDS}
    return {"connect_timeout": _WAIT_SECONDS, "client_encoding": "utf8"}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Let readers read while a row is written, and bring each transaction to the disk before it counts as done."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _lock(connection: Connection) -> None:
    """Let one service at a time change the tables; it ends with the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
        return
    with suppress(sa.exc.OperationalError):  # a transaction has begun already
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _values(row: Row, prices: Prices) -> dict[str, Any]:
    entry = row.entry
    return {
        "id": entry.id,
        "request_id": entry.request,
        "day": row.day,
        "begun_at": datetime.fromtimestamp(row.begun, UTC),
        "key_id": entry.key,
        "bundle": entry.bundle,
        "name": entry.name,
        "route": entry.route,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "seconds": row.seconds,
        "cost_micros": round(prices.of(row) * _MICROS),
        "outcome": row.outcome,
    }


def _used(sums: Any) -> Used:
    tokens = (int(sums["prompt_tokens"]), int(sums["completion_tokens"]))
    return Used(int(sums["requests"]), *tokens, float(sums["seconds"]), float(sums["cost_micros"]) / _MICROS)


def _shown(url: str) -> str:
    """Return a URL without its password."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def _unreachable(error: sa.exc.SQLAlchemyError, place: str) -> KitError:
    """Return the driver's own sentence; SQLAlchemy's would repeat the statement."""
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")
    return KitError(f"The ledger's database does not answer: {reason}.", place, "Start it, or free its disk.")
