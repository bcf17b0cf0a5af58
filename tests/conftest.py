"""Skip tests whose requirements are missing on this machine; the summary names what was therefore not tested."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from kit.system.threads import share_cores

share_cores()  # before torch is loaded, as the command line does
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores SIGINT by default


def _public_data() -> Path | None:
    folder = os.environ.get("DOMAINKIT_DATA")
    return Path(folder).resolve() if folder and Path(folder).is_dir() else None


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())


REQUIREMENTS: dict[str, tuple[Callable[[], bool], str]] = {
    "public_data": (lambda: _public_data() is not None, "DOMAINKIT_DATA names no folder: public sets are not tested"),
    "vllm": (lambda: find_spec("vllm") is not None, "vLLM is not installed: serving with vLLM is not tested"),
    "cuda": (_has_cuda, "there is no NVIDIA GPU: training and serving on a GPU are not tested"),
}


SLOWEST = ("tests/e2e/test_wheel.py", "tests/docs/test_commands.py", "tests/kit/train/model", "tests/kit/engines/vllm")
"""Files and folders that take minutes: they begin first, so that no process waits for the other at the end."""


def _place(item: pytest.Item) -> int:
    name = item.path.relative_to(Path(__file__).parents[1]).as_posix()
    return next((place for place, start in enumerate(SLOWEST) if name.startswith(start)), len(SLOWEST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slowest tests first, and skip those whose requirement is missing, with the reason."""
    items.sort(key=_place)
    for name, (met, reason) in REQUIREMENTS.items():
        marked = [item for item in items if item.get_closest_marker(name)]
        if marked and not met():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each missing requirement with the tests that did not run."""
    skipped = terminalreporter.stats.get("skipped", [])
    for _, reason in REQUIREMENTS.values():
        names = [report.nodeid.rpartition("::")[2] for report in skipped if reason in str(report.longrepr)]
        if names:
            terminalreporter.write_line(f"not run, because {reason}: {', '.join(names)}")


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public data sets."""
    folder = _public_data()
    assert folder is not None
    return folder
