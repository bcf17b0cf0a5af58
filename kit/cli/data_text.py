"""`kit data text`: the text of a document, as examples and answers hold it."""

from __future__ import annotations

from pathlib import Path

import click

from kit.cli.shared.output import Output, kit_command


@kit_command("text", example="kit data text contract.pdf > contract.txt")
@click.argument("file", type=click.Path(path_type=Path))
def text_command(output: Output, file: Path) -> None:
    """Print the text of FILE (txt, md, docx or pdf). Offsets in examples and answers count its characters."""
    from kit.workflows import document_text

    text = document_text(file)
    output.result({"file": str(file), "text": text}, text)
