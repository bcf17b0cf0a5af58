"""Keys: random tokens, of which only the SHA-256 is kept, in a JSON file that several processes may read and change."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kit.errors import InputError, nearest
from kit.recipe.validation import dotted, problems_of
from kit.system.files import write_atomically
from kit.system.locks import wait_for_lock
from serving.guard.caller import Caller, Scopes
from serving.guard.key_limits import NO_LIMITS, KeyLimits

KEYS_FILE = "keys.json"
TOKEN_START = "dk-"  # so that a person, and a scanner for leaked secrets, sees what it is
_TOKEN_BYTES, _ID_BYTES = 32, 4
_Result = TypeVar("_Result")


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Secret(_Stored):
    """The hash of a token, and until when it opens the service; None: for as long as its key does."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    until: datetime | None = None


class Key(_Stored):
    """A key: who it is for, what it may do, and the hashes of its tokens. `id` is public."""

    id: str
    name: str
    secrets: tuple[Secret, ...]
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    bundles: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    admin: bool = False
    limits: KeyLimits = NO_LIMITS

    @property
    def caller(self) -> Caller:
        """Who sends requests with this key."""
        return Caller(self.id, self.name, Scopes(self.bundles, self.routes, self.admin), self.limits)

    def ended(self, now: datetime) -> str:
        """Say why the key opens nothing any more; "" if it does."""
        if self.revoked is not None:
            return "was revoked"
        return "has expired" if self.expires is not None and self.expires <= now else ""


class _File(_Stored):
    version: Literal[1] = 1
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Issued:
    """A key and its new token, which is nowhere else: it can be shown only now."""

    key: Key
    token: str


class KeyRing:
    """Keys at one moment, ready to be compared with tokens."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = tuple(keys)
        self._hashes = [(bytes.fromhex(each.sha256), each.until, key) for key in keys for each in key.secrets]

    def find(self, token: bytes, now: datetime) -> Key | None:
        """Return the key of a token, also one that has ended; None if there is none.

        The token is hashed first and compared with every hash to its end, so that the time says nothing about how much
        of a token is right.
        """
        digest = hashlib.sha256(token).digest()
        found: Key | None = None
        for stored, until, key in self._hashes:
            equal = hmac.compare_digest(stored, digest)
            if equal and (until is None or now < until):
                found = key
        return found

    def usable(self, now: datetime) -> bool:
        """Whether any key opens the service."""
        return any(not key.ended(now) for key in self.keys)


def read_keys(path: Path) -> KeyRing:
    """Read a file of keys. Raises InputError if there is none, or for what is wrong in it."""
    try:
        return KeyRing(_File.model_validate_json(path.read_bytes()).keys)
    except ValidationError as error:
        raise InputError(problems_of(error, _File, lambda at: f"{path}, {dotted(at)}")) from None
    except OSError as error:
        advice = "Make a key with: kit keys new NAME"
        raise InputError(f"The keys cannot be read: {error.strerror}.", str(path), advice) from None


class KeyFile:
    """The keys of a file, read again whenever the file changes: a revoked key stops at its next request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._ring = KeyRing(())

    def ring(self) -> KeyRing:
        """Return the keys as they are now. Raises InputError if they cannot be read."""
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            seen = None
        if seen is None or seen != self._seen:
            self._ring, self._seen = read_keys(self.path), seen
        return self._ring


def new_key(
    path: Path, name: str, scopes: Scopes, expires: datetime | None = None, limits: KeyLimits = NO_LIMITS
) -> Issued:
    """Add a key to a file, which is created if there is none. Raises InputError if a key in use has this name."""

    def add(keys: tuple[Key, ...]) -> tuple[tuple[Key, ...], Issued]:
        if any(key.name == name and key.revoked is None for key in keys):
            raise InputError(f"There is a key '{name}' already.", str(path), "Choose another name, or revoke it first.")
        token, secret = _token()
        key = Key(
            id=f"key_{secrets.token_hex(_ID_BYTES)}",
            name=name,
            secrets=(secret,),
            created=_now(),
            expires=expires,
            bundles=scopes.bundles,
            routes=scopes.routes,
            admin=scopes.admin,
            limits=limits,
        )
        return (*keys, key), Issued(key, token)

    return _changed(path, add)


def revoke_key(path: Path, ref: str) -> Key:
    """End a key now; `ref` is its id or its name. It stays in the file, so that accounts can name it."""

    def revoke(keys: tuple[Key, ...]) -> tuple[tuple[Key, ...], Key]:
        key = _named(keys, ref, path)
        revoked = key.model_copy(update={"revoked": _now()})
        return tuple(revoked if each.id == key.id else each for each in keys), revoked

    return _changed(path, revoke)


def rotate_key(path: Path, ref: str, until: datetime) -> Issued:
    """Give a key a new token; those that it had open the service until then, at the latest."""

    def rotate(keys: tuple[Key, ...]) -> tuple[tuple[Key, ...], Issued]:
        key, now = _named(keys, ref, path), _now()
        token, secret = _token()
        kept = [each for each in key.secrets if each.until is None or each.until > now]
        older = [each.model_copy(update={"until": min(each.until or until, until)}) for each in kept]
        rotated = key.model_copy(update={"secrets": (*older, secret)})
        return tuple(rotated if each.id == key.id else each for each in keys), Issued(rotated, token)

    return _changed(path, rotate)


def _token() -> tuple[str, Secret]:
    token = TOKEN_START + secrets.token_urlsafe(_TOKEN_BYTES)
    return token, Secret(sha256=hashlib.sha256(token.encode()).hexdigest())


def _changed(path: Path, change: Callable[[tuple[Key, ...]], tuple[tuple[Key, ...], _Result]]) -> _Result:
    """Change a file of keys while no other process does."""
    if not path.parent.is_dir():
        raise InputError("The folder of this file does not exist.", str(path), "Create it first.")
    with wait_for_lock(path.with_name(f".{path.name}.lock")):
        keys = read_keys(path).keys if path.exists() else ()
        keys, result = change(keys)
        written = [key.model_dump(mode="json", exclude_defaults=True) for key in keys]
        write_atomically(path, json.dumps({"version": 1, "keys": written}, indent=2) + "\n")
    return result


def _named(keys: Sequence[Key], ref: str, path: Path) -> Key:
    """Return the key in use with this id or name. Raises InputError if there is none."""
    in_use = [key for key in keys if key.revoked is None]
    for key in in_use:
        if ref in (key.id, key.name):
            return key
    advice = nearest(ref, [key.name for key in in_use]) or "See: kit keys list"
    raise InputError(f"There is no key '{ref}' in use.", str(path), advice)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
