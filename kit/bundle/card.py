"""Writes the model card, which users read before they use a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kit.bundle.attestation import VERIFIED_MEANS
from kit.bundle.seal import Seal

_FORMS = {
    "merged": "The adapter is merged into the base's weights; `model/` needs no other weights.",
    "adapter": "`adapter/` is served on the base's own weights, which must have the digest above.",
}


def write_card(seal: Seal, summary: str, trained: Mapping[str, Any]) -> str:
    """Return the card as Markdown. `trained` are facts of the run, printed unchanged."""
    sections = [
        f"# {seal.name}",
        summary,
        "A tuned language model writes these answers. They can be wrong; the person who uses them decides.",
        "## Intended use",
        seal.intended_use or "Not stated by its makers. Do not use it for decisions about people.",
        "## Where it comes from",
        _table(_origin(seal)),
        _FORMS[seal.form],
        "## How it was trained",
        _table({"method": seal.adapter.sentence, **trained}),
        "## Licences",
        _table(seal.licences) if seal.licences else "None were stated. Ask the makers before you pass it on.",
        "## Limits",
        "It was measured on its own project's data only; evaluations are stored next to the bundle as attestations. "
        "Without one, nothing is known about how often it is right. "
        f"`verified` means: {VERIFIED_MEANS} "
        "An attestation carries a checksum and no signature: it shows damage, not who wrote it. "
        f"It reads and writes at most {seal.max_length} tokens at once.",
        "## How to serve it",
        "    kit serve latest",
        "Serving checks every file, every golden dialogue and the fingerprints of `seal.json` before it answers.",
    ]  # fmt: skip
    return "\n\n".join(section for section in sections if section) + "\n"


def _origin(seal: Seal) -> dict[str, Any]:
    return {
        "base": f"{seal.base.model}{f' at {seal.base.revision}' if seal.base.revision else ''}",
        "base weights (SHA-256)": seal.base.weights_digest,
        "stored as": seal.base.dtype,
        "training data (SHA-256)": seal.digests.data,
        "task (SHA-256)": seal.digests.task,
        "recipe (SHA-256)": seal.digests.recipe,
    }


def _table(rows: Mapping[str, Any]) -> str:
    cells = [f"| {_cell(key)} | {_cell(value)} |" for key, value in rows.items()]
    return "\n".join(["| what | value |", "|---|---|", *cells])


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())
