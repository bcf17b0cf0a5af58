"""`kit serve`: answer requests with bundles that are verified first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from kit.cli.numbers import THREADS
from kit.cli.output import Output, kit_command
from kit.errors import InputError

if TYPE_CHECKING:
    from kit.bundle.store import Bundle, Store
    from serving.catalogue import Deployed


@kit_command("serve", "kit serve --port 8000          # the newest bundle, on loopback")
@click.argument("bundles", nargs=-1)
@click.option("--engine", type=click.Choice(["auto", "vllm", "local"]), help="Default: the bundle's recipe.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option("--base", type=click.Path(path_type=Path), help="The base model's folder, if it has moved.")
@click.option("--threads", type=THREADS, help="Threads of the engine; default: one per core.")
@click.option("--expose-preview", is_flag=True, help="Serve a bundle beyond loopback though its gates did not hold.")
@click.option("--dry-run", is_flag=True, help="Check all that a start checks before the engine, and leave.")
def command(
    output: Output,
    bundles: tuple[str, ...],
    engine: Literal["auto", "vllm", "local"] | None,
    host: str,
    port: int,
    base: Path | None,
    threads: int | None,
    expose_preview: bool,
    dry_run: bool,
) -> None:
    """Serve BUNDLES (digests or aliases; the newest where none is named): one merged, or adapters of one base.

    Ready means verified: files, renders and fingerprints are those of the bundle that was measured. Exit 4: refused.
    """
    import asyncio

    from kit.bundle.attestation import status_sentence
    from kit.bundle.store import Store
    from kit.bundle.verify import verify_files
    from kit.cli.wiring import engine_config, engine_kind
    from kit.engines import check_installed, make_engine
    from kit.engines.admission import check_model
    from kit.project.project import Project
    from serving.server import rehearse, serve
    from serving.settings import Settings

    root = Project.find().root
    store = Store(root)
    found = [store.get(ref) for ref in bundles or ("latest",)]
    for bundle in found:
        verify_files(bundle)
    if base and found[0].seal.form == "merged":
        raise InputError("A merged bundle is served without its base.", "--base", "Leave out --base.")
    wanted = engine or found[0].recipe.serve.engine
    kind = engine_kind(found, wanted)
    settings = Settings(host=host, port=port, expose_preview=expose_preview)
    digests = [bundle.digest for bundle in found]
    deployed = [_deployed(store, bundle) for bundle in found]
    config = engine_config(found, root, threads, base)
    states = [f"{each.pinned_name}: {status_sentence(each.attestations)}" for each in deployed]
    if dry_run:
        check_installed(kind)
        check_model(config)
        rehearse(settings, deployed, config.max_length)
        data = {"bundles": digests, "engine": kind, "host": host, "port": port, "status": states}
        would = f"Would serve {', '.join(digest[:12] for digest in digests)} on {kind} at {host}:{port}."
        output.result(data, "\n".join([*states, would]))
        return
    for state in states:
        output.say(state)
    made = make_engine(kind, config)
    output.say(f"Starting {kind}; ready once this is verified to be the model that was measured.")

    def announce(url: str) -> None:
        output.result({"ready": True, "url": url, "bundles": digests, "engine": kind}, f"Ready: {url}")

    asyncio.run(serve(settings, made, deployed, announce))


def _deployed(store: Store, bundle: Bundle) -> Deployed:
    """Return a bundle of the store with what its attestations say about it."""
    from kit.bundle.attestation import standing
    from serving.catalogue import Deployed

    attestations = tuple(store.attestations(bundle.digest))
    return Deployed(bundle, standing(attestations), attestations)
