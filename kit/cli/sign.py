"""`kit sign`: sign a bundle and the attestations about it."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from kit.cli.shared.output import Output, kit_command
from kit.errors import InputError
from kit.workflows import Signed, sign

_FILE = click.Path(path_type=Path)


@kit_command("sign", "kit sign 3f2a --key signing.pem          # the newest bundle without 3f2a")
@click.argument("bundle", default="latest")
@click.option("--key", type=_FILE, help="Private key (PEM, elliptic curve) to sign with.")
@click.option("--password-variable", metavar="NAME", help="Environment variable with the password of the key.")
@click.option("--certificate", type=_FILE, help="Certificate of the key; it names the signer.")
@click.option("--chain", multiple=True, type=_FILE, help="Certificate between that one and the root; may be repeated.")
@click.option("--sigstore", is_flag=True, help="Sign with an identity, over the network, without a key.")
@click.option("--attestations", type=_FILE, help="Folder of the attestations of a bundle outside a project.")
def command(output: Output, bundle: str, password_variable: str | None, **options: Path | bool | None) -> None:
    """Sign BUNDLE (a digest, an alias or a folder; default: the newest) and every attestation about it.

    Its files are verified first. The signature lies beside the attestations. Attestations that come later are not
    signed: sign again after an evaluation.
    """
    made = sign(bundle, password=_password(password_variable), **options)  # type: ignore[arg-type]
    output.result(asdict(made), _lines(made))


def _password(variable: str | None) -> str | None:
    if variable is None:
        return None
    if variable not in os.environ:
        raise InputError(f"The environment variable '{variable}' is not set.", "--password-variable")
    return os.environ[variable]


def _lines(made: Signed) -> str:
    count = len(made.attestations)
    covered = f"{count} attestation{'' if count == 1 else 's'}" if count else "no attestation: there is none yet"
    return f"Signed {made.bundle[:12]} and {covered}, by {made.signer}.\n{made.status}\nSignature: {made.file}"
