"""Answer requests in this process with a bundle, after the same verification as in the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from kit.workflows.events import Report, ignore

if TYPE_CHECKING:
    from pydantic import BaseModel

    Request = Mapping[str, Any] | BaseModel


@overload
def ask(
    project: str | Path,
    request: Request,
    bundle: str = "latest",
    *,
    task: str | None = None,
    engine: Literal["auto", "vllm", "local"] | None = None,
    base: str | Path | None = None,
    threads: int | None = None,
    report: Report = ignore,
) -> BaseModel: ...
@overload
def ask(
    project: str | Path,
    request: Sequence[Request],
    bundle: str = "latest",
    *,
    task: str | None = None,
    engine: Literal["auto", "vllm", "local"] | None = None,
    base: str | Path | None = None,
    threads: int | None = None,
    report: Report = ignore,
) -> list[BaseModel]: ...
def ask(
    project: str | Path,
    request: Request | Sequence[Request],
    bundle: str = "latest",
    *,
    task: str | None = None,
    engine: Literal["auto", "vllm", "local"] | None = None,
    base: str | Path | None = None,
    threads: int | None = None,
    report: Report = ignore,
) -> BaseModel | list[BaseModel]:
    """Return the response to a request, or the responses to a list of requests, as the task's own types.

    A request is a mapping with the fields of the task's request type. `task` names the task of a bundle with several.
    The engine is the one that would serve the bundle. It starts for each call, so pass many requests as one list.

    The bundle's files, its rendering and the fingerprints of the running model are verified before the first answer:
    raises Refused if one differs. Raises InputError for a request that does not fit its type or the context, and
    KitError where the task cannot read what the model wrote.
    """
    from kit.workflows.steps.asking import answer

    if isinstance(request, Sequence) and not isinstance(request, str | bytes):
        requests: list[Request] = list(request)
        return answer(Path(project), requests, bundle, task, engine, base, threads, report)
    return answer(Path(project), [request], bundle, task, engine, base, threads, report)[0]
