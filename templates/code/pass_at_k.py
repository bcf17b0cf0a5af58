"""Runs the tests of completed programs: python pass_at_k.py DATA ANSWERS [-k 1]

DATA is a file of examples with tests, such as data/humaneval-infilling-test.jsonl. ANSWERS has one completion a line:
answers.jsonl of an evaluation, or lines with `id` and `response`; several lines of one id are several samples.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

from kit.errors import InputError
from kit.task.loader import load_module

HERE = Path(__file__).parent
Samples = dict[tuple[str, str], list[str]]


def programs(data: Path, answers: Path) -> tuple[dict[str, tuple[str, str, str]], Samples]:
    """Return prefix, suffix and tests of each example that has tests, and its samples by who wrote them and its id."""
    examples = {}
    for row in _rows(data):
        if tests := row.get("provenance", {}).get("test"):
            examples[row["id"]] = (row["request"]["prefix"], row["request"].get("suffix", ""), tests)
    samples: Samples = defaultdict(list)
    for row in _rows(answers):
        if row.get("id") in examples:
            samples[row.get("who", "answers"), row["id"]].append((row.get("response") or {}).get("completion", ""))
    if not examples or not samples:
        what = "No example of this file has tests." if not examples else "No answer is to an example with tests."
        raise InputError(what, str(data if not examples else answers), "Import it with: kit data import NAME FOLDER")
    return examples, dict(samples)


def measure(
    examples: Mapping[str, tuple[str, str, str]], samples: Samples, k: int
) -> dict[str, tuple[float, int, Counter[str]]]:
    """Return pass@k, the number of tasks and how the runs ended, for each writer of answers."""
    sandbox = load_module(HERE, "sandbox.py")
    jobs = [(who, name, middle) for (who, name), middles in samples.items() for middle in middles]

    def run(job: tuple[str, str, str]) -> str:
        prefix, suffix, tests = examples[job[1]]
        return str(sandbox.run_tests(f"{prefix}{job[2]}{suffix}", tests))

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        ended = list(pool.map(run, jobs))
    found: dict[str, tuple[float, int, Counter[str]]] = {}
    for writer in dict.fromkeys(who for who, _, _ in jobs):
        by_task: dict[str, list[str]] = defaultdict(list)
        for (who, name, _), reason in zip(jobs, ended, strict=True):
            if who == writer:
                by_task[name].append(reason)
        shares = [sandbox.pass_at_k(len(each), each.count("passed"), k) for each in by_task.values()]
        found[writer] = (sum(shares) / len(shares), len(shares), Counter(chain.from_iterable(by_task.values())))
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Print pass@k for each writer of answers."""
    parser = argparse.ArgumentParser(description="Run the tests of completed programs.")
    parser.add_argument("data", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("-k", type=int, default=1)
    given = parser.parse_args(words)
    try:
        examples, samples = programs(given.data, given.answers)
        if given.k < 1 or any(len(each) < given.k for each in samples.values()):
            raise InputError(f"There are fewer than {given.k} samples of a task.", str(given.answers), "Lower -k.")
    except InputError as error:
        print(error, file=sys.stderr)
        return int(error.code)
    for who, (value, tasks, ended) in measure(examples, samples, given.k).items():
        endings = ", ".join(f"{count} {reason}" for reason, count in sorted(ended.items()))
        print(f"{who}: pass@{given.k} {value:.3f} over {tasks} gaps ({endings})")
    return 0


def _rows(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        raise InputError("There is no such file.", str(file))
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise InputError("This line is not a JSON object.", f"{file}:{number}")
        rows.append(row)
    return rows


if __name__ == "__main__":
    sys.exit(main())
