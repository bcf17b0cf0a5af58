"""The two kinds of database that a ledger can have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from kit.workflows import UsageReport, usage
from tests.serving.ledger.postgres import binaries, server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    pytest.importorskip("psycopg")
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed, so it is not shown that the ledger's sums hold there.")
    with server(programs) as url:
        yield url


@dataclass(frozen=True)
class Place:
    """Where a service keeps its state, and the URL of its ledger; None: SQLite in that folder."""

    state: Path
    url: str | None

    @property
    def settings(self) -> dict[str, object]:
        return {"state": self.state, "ledger": self.url}

    def usage(self, *by: str) -> UsageReport:
        return usage(by=by, state=self.state, ledger=self.url)  # type: ignore[arg-type]

    def tokens(self) -> tuple[int, int]:
        total = self.usage().total
        return total.prompt_tokens, total.completion_tokens


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    state = tmp_path / "state"
    if request.param == "sqlite":
        return Place(state, None)
    url: str = request.getfixturevalue("postgres")
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS usage, ledger_version"))
    engine.dispose()
    return Place(state, url)
