"""Measures the brand's voice. `python fingerprint.py` reads data/train.jsonl and data/others.jsonl, writes voice.json.

Other files: `python fingerprint.py OWN OTHERS`, each a JSONL file of rows, a text file, or a folder of text files.

The ceiling is how far the brand's own texts are from it: each text is compared with the fingerprint of the half of the
texts that it is not in. The floor is how far texts of other authors are. Both are means, and neither is from test data.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, pstdev
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
LEAST_SHARE = 0.01  # an opening is the brand's if one text in a hundred has it
LEAST_SPREAD = 0.25  # a feature that never varies in the brand's texts
LEAST_TEXTS = 20
_PACKAGE = "brand_parts"


def measure(own: Sequence[str], others: Sequence[str], parts: ModuleType) -> dict[str, Any]:
    """Return what voice.json holds. `parts` is the module voice.py."""
    halves = [list(own[start::2]) for start in (0, 1)]
    voices = [_voice(half, parts) for half in halves]
    crossed = [(voices[1], text) for text in halves[0]] + [(voices[0], text) for text in halves[1]]
    whole = _voice(own, parts)
    return {
        "features": {
            name: {"mean": round(mean, 4), "spread": round(spread, 4)}
            for name, mean, spread in zip(parts.FEATURES, whole.means, whole.spreads, strict=True)
        },
        "floor": round(fmean(_distance(whole, text, parts) for text in others), 4),
        "ceiling": round(fmean(_distance(voice, text, parts) for voice, text in crossed), 4),
        "openings": list(whole.openings),
        "texts": list(own),
    }


def _voice(texts: Sequence[str], parts: ModuleType) -> Any:
    counts = Counter(parts.opening_of(text) for text in texts)
    openings = sorted(opening for opening, count in counts.items() if count >= LEAST_SHARE * len(texts))
    guide = parts.read_guide()
    rows = [parts.vector(parts.fingerprint_of(text, openings, guide)) for text in texts]
    columns = list(zip(*rows, strict=True))
    spreads = [max(pstdev(column), LEAST_SPREAD) for column in columns]
    return parts.Voice([fmean(column) for column in columns], spreads, openings, 0.0, 0.0, ())


def _distance(voice: Any, text: str, parts: ModuleType) -> float:
    return float(voice.distance(parts.fingerprint_of(text, voice.openings, parts.read_guide())))


def voice_of(folder: Path = HERE, own: Path | None = None, others: Path | None = None) -> dict[str, Any]:
    """Return the voice of two files or folders, by default of those in data/."""
    mine = _texts(own or folder / "data/train.jsonl", folder)
    theirs = _texts(others or folder / "data/others.jsonl", folder)
    return measure(mine, theirs, _part(folder, "voice"))


def _texts(path: Path, folder: Path) -> list[str]:
    """Return the texts of a file or a folder. Stops with a message if there are too few."""
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        found = [row["text"] if "text" in row else row["response"]["text"] for row in rows]
    else:
        part = _part(folder, "paragraphs")
        found = [text for file in part.text_files(path) for text in part.paragraphs(file)]
    if len(found) < LEAST_TEXTS:
        sys.exit(f"{path}: There are {len(found)} texts; a voice needs {LEAST_TEXTS}. Add more of the same author.")
    return found


def _part(folder: Path, name: str) -> ModuleType:
    """Load a module from beside this file; it imports its neighbours by their relative names."""
    if _PACKAGE not in sys.modules:
        package = ModuleType(_PACKAGE)
        package.__path__ = [str(folder)]
        sys.modules[_PACKAGE] = package
    return importlib.import_module(f"{_PACKAGE}.{name}")


def main(words: Sequence[str]) -> None:
    """Write voice.json."""
    if len(words) not in (0, 2):
        sys.exit("Name two files, the brand's own texts and those of others, or none.")
    found = voice_of(HERE, *map(Path, words))
    (HERE / "voice.json").write_text(
        f"{json.dumps(found, ensure_ascii=False, indent=1)}\n", encoding="utf-8", newline="\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
