"""Finds the file of keys, reads times, and changes keys."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from kit.errors import InputError
from kit.project.template import RECIPE_FILE
from kit.recipe.validation import dotted, problems_of
from kit.workflows.keys import KeySummary, NewToken
from serving.guard import keys
from serving.guard.caller import Scopes as Scopes
from serving.guard.key_limits import KeyLimits

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_VARIABLE = "DOMAINKIT_KEYS"


def made(
    project: Path,
    file: str | Path | None,
    name: str,
    scopes: Scopes,
    expires: str | None,
    limits: Mapping[str, int],
) -> NewToken:
    """Make a key."""
    if not name.strip() or not name.isprintable():
        raise InputError("A key needs a name: who it is for.", "NAME", "For example: kit keys new acme")
    for route in scopes.routes:
        if not route.startswith("/"):
            raise InputError(f"'{route}' is no path.", "--route", "For example: --route '/v1/legal/*'")
    path = _file(project, file)
    until = None if expires is None else moment(expires, "--expires")
    return _token(keys.new_key(path, name, scopes, until, _limits(limits)), path)


def _limits(named: Mapping[str, int]) -> KeyLimits:
    try:
        return KeyLimits.model_validate(dict(named))
    except ValidationError as error:
        raise InputError(problems_of(error, KeyLimits, dotted)) from None


def listed(project: Path, file: str | Path | None) -> tuple[KeySummary, ...]:
    """Return every key."""
    return tuple(_summary(each) for each in keys.read_keys(_file(project, file)).keys)


def revoked(project: Path, file: str | Path | None, ref: str) -> KeySummary:
    """End a key."""
    return _summary(keys.revoke_key(_file(project, file), ref))


def rotated(project: Path, file: str | Path | None, ref: str, keep_old: str) -> NewToken:
    """Give a key a new token."""
    path = _file(project, file)
    return _token(keys.rotate_key(path, ref, moment(keep_old, "--keep-old")), path)


def _file(project: Path, file: str | Path | None) -> Path:
    """Return the file of keys: as given, of the environment, or of the project. Raises InputError outside of one."""
    if named := file or os.environ.get(_VARIABLE):
        return Path(named)
    if not (project / RECIPE_FILE).is_file():
        what = "This is no project, so that it is not clear which file holds the keys."
        raise InputError(what, str(project), f"Give --file FILE, or set {_VARIABLE}.")
    return project / keys.KEYS_FILE


def moment(text: str, where: str) -> datetime:
    """Return the moment that a text names: a time from now, such as 90d or 12h, or a date in UTC.

    Raises InputError if it is neither, or if it is past.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    advice = "For example 90d, 12h or 2030-12-31."
    try:
        if span := re.fullmatch(r"(\d{1,9})([smhd])", text):
            return now + timedelta(**{_UNITS[span[2]]: int(span[1])})
        named = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InputError(f"'{text}' is no time.", where, advice) from None
    found = named.astimezone(UTC) if named.tzinfo else named.replace(tzinfo=UTC)
    if found <= now:
        raise InputError(f"'{text}' is past.", where, advice)
    return found


def _token(issued: keys.Issued, path: Path) -> NewToken:
    return NewToken(_summary(issued.key), issued.token, path)


def _summary(key: keys.Key) -> KeySummary:
    return KeySummary(
        key.id,
        key.name,
        key.ended(datetime.now(UTC)) or "in use",
        key.created.isoformat(),
        key.expires.isoformat() if key.expires else None,
        key.bundles,
        key.routes,
        key.admin,
        key.limits.model_dump(exclude_none=True),
    )
