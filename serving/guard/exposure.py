"""Whether the service may listen beyond this machine: only if a key is needed to call it, or by an override."""

from __future__ import annotations

from datetime import UTC, datetime

from kit.errors import InputError
from serving.guard.keys import read_keys
from serving.settings import Settings


def check_keys(settings: Settings) -> None:
    """Raise InputError if the keys cannot be read, or if other machines could call the service without a key."""
    usable = settings.keys is not None and read_keys(settings.keys).usable(datetime.now(UTC))
    if usable or settings.oidc is not None or not settings.beyond_loopback or exposed_without_keys(settings):
        return
    what = f"Without a key the service listens on this machine only, not on {settings.host}."
    if settings.keys is not None:
        what = f"{settings.keys} has no key in use. {what}"
    advice = (
        "Make a key with: kit keys new NAME. Where something else decides who may call it, such as a proxy: "
        "--expose-without-keys"
    )
    raise InputError(what, next=advice)


def exposed_without_keys(settings: Settings) -> bool:
    """Whether other machines can call the service without a key, because the settings allow it."""
    return settings.keys is None and settings.oidc is None and settings.expose_without_keys and settings.beyond_loopback
