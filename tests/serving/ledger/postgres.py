"""A real PostgreSQL server on a Unix socket, for as long as a test session needs it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_USER = "postgres"


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs; None if it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """Run a server with an empty database; yield its URL. It runs as another user where this one is root."""
    folder = Path(tempfile.mkdtemp(prefix="kit-postgres-", dir="/tmp"))
    user = _USER if os.geteuid() == 0 else None
    if user:
        owner = pwd.getpwnam(user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        folder.chmod(0o755)
    data = folder / "data"

    def run(*words: str) -> None:
        subprocess.run(words, user=user, cwd="/", check=True, capture_output=True, env={"PATH": os.environ["PATH"]})

    run(str(programs / "initdb"), "-D", str(data), "-U", "kit", "-A", "trust", "-E", "UTF8", "--no-sync")
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    try:
        run(*control, "-o", f"-k {folder} -c listen_addresses='' -c shared_buffers=16MB", "start")
        yield f"postgresql://kit@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], user=user, cwd="/", check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
