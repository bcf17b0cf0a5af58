"""`kit verify`: verify a bundle's files, attestations, standing and signatures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from kit.cli.shared.check_lines import check_lines
from kit.cli.shared.output import Output, kit_command
from kit.workflows import verify

_FILE = click.Path(path_type=Path)


@kit_command("verify", "kit verify 3f2a --public-key signing.pub")
@click.argument("bundle", default="latest")
@click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    type=_FILE,
    help="Public key or root certificate (PEM) that you trust; may be repeated.",
)
@click.option("--identity", help="Identity of a trusted signer of Sigstore.")
@click.option("--issuer", help="Issuer that confirmed the identity.")
@click.option("--attestations", type=_FILE, help="Folder of the attestations of a bundle outside a project.")
def command(
    output: Output,
    bundle: str,
    public_keys: tuple[Path, ...],
    identity: str | None,
    issuer: str | None,
    attestations: Path | None,
) -> int:
    """Verify BUNDLE (a digest, an alias or a folder; default: the newest) without an engine.

    Exit code 0: all of it held. 3: something could not be measured, such as who signed. 4: something did not hold.
    """
    found = verify(bundle, public_keys=public_keys, identity=identity, issuer=issuer, attestations=attestations)
    data = {"bundle": found.bundle, "name": found.name, "exit_code": int(found.exit_code)}
    data |= {"checks": [asdict(each) for each in found.checks]}
    data |= {"signatures": [asdict(each) for each in found.signatures]}
    output.result(data, "\n".join([f"{found.name}@{found.bundle[:12]}", *check_lines(found.checks)]))
    return found.exit_code
