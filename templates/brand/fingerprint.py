"""Measures the brand's voice. `python fingerprint.py` reads data/train.jsonl and data/others.jsonl, writes voice.json.

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


def voice_of(folder: Path = HERE) -> dict[str, Any]:
    """Return the voice that the files in data/ have now."""
    own = [json.loads(line)["response"]["text"] for line in _lines(folder / "data/train.jsonl")]
    others = [json.loads(line)["text"] for line in _lines(folder / "data/others.jsonl")]
    return measure(own, others, _parts(folder))


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]


def _parts(folder: Path) -> ModuleType:
    """Load voice.py from beside this file; it imports its neighbours by their relative names."""
    name = "brand_parts"
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package
    return importlib.import_module(f"{name}.voice")


def main() -> None:
    """Write voice.json."""
    text = json.dumps(voice_of(), ensure_ascii=False, indent=1)
    (HERE / "voice.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
