"""What a test needs beyond Python; where it is not there, the summary says which part of the promise is unproved."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from kit.system.threads import share_cores

share_cores()  # as the command line does, before torch is loaded
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in a shell's background ignore Ctrl-C


def _public_data() -> Path | None:
    folder = os.environ.get("DOMAINKIT_DATA")
    return Path(folder).resolve() if folder and Path(folder).is_dir() else None


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())


NEEDS: dict[str, tuple[Callable[[], bool], str]] = {
    "public_data": (lambda: _public_data() is not None, "DOMAINKIT_DATA names no folder: public sets are unproved"),
    "vllm": (lambda: find_spec("vllm") is not None, "vLLM is not installed: that vLLM answers as tested is unproved"),
    "cuda": (_has_cuda, "there is no NVIDIA GPU: that it works on one is unproved"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the tests whose need is not met, with the reason."""
    for name, (met, reason) in NEEDS.items():
        marked = [item for item in items if item.get_closest_marker(name)]
        if marked and not met():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line per need which tests did not run."""
    skipped = terminalreporter.stats.get("skipped", [])
    for _, reason in NEEDS.values():
        names = [report.nodeid.rpartition("::")[2] for report in skipped if reason in str(report.longrepr)]
        if names:
            terminalreporter.write_line(f"not run, since {reason}: {', '.join(names)}")


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public sets."""
    folder = _public_data()
    assert folder is not None
    return folder
