"""Function calls in a dialogue: what a client may send, and the formats in which models write calls.

A chat template shows the functions to the model in its own words. The format of the calls is found in the template's
text, because the model was trained on that text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kit.chat import Renderer
from kit.task import JsonSchema
from serving.errors import ServiceError
from serving.limits.json_schema import client_schema

FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
_TOOLS = re.compile(r"\btools\b")


class Function(BaseModel):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(BaseModel):
    """A tool; only functions are supported."""

    type: Literal["function"]
    function: Function

    def definition(self) -> dict[str, Any]:
        """Return the definition as chat templates read it."""
        return {"type": "function", "function": self.function.model_dump(exclude_none=True, exclude={"strict"})}


class NamedFunction(BaseModel):
    """The name of a function."""

    name: str


class NamedTool(BaseModel):
    """The one function that the model must call."""

    type: Literal["function"]
    function: NamedFunction


class WrittenFunction(BaseModel):
    """A function's name, and its arguments as JSON text."""

    model_config = ConfigDict(extra="ignore")

    name: str
    arguments: str


class WrittenCall(BaseModel):
    """A call that the assistant made earlier."""

    id: str
    type: Literal["function"] = "function"
    function: WrittenFunction


@dataclass(frozen=True)
class ToolFormat:
    """How a family of models writes calls: around each call, and the name of the field with the arguments.

    `opening` and `closing` surround each call; without them the whole answer is a call, or, with `listed`, a list of
    calls. `lead` is what a forced call starts with, special tokens included.
    """

    opening: str
    closing: str
    arguments: str
    listed: bool = False
    lead: str = ""


HERMES = ToolFormat("<tool_call>", "</tool_call>", "arguments", lead="<tool_call>\n")
MISTRAL = ToolFormat("", "", "arguments", listed=True, lead="[TOOL_CALLS]")
LLAMA = ToolFormat("", "", "parameters")
_MARKS = (("<tool_call>", HERMES), ("[TOOL_CALLS]", MISTRAL), ("<|python_tag|>", LLAMA), ('"parameters":', LLAMA))


def tool_format(renderer: Renderer) -> ToolFormat | None:
    """Return the format of a model's calls. None if its chat template takes no tools, or in a format not known here."""
    template = renderer.template_text
    if not _TOOLS.search(template):
        return None
    return next((known for mark, known in _MARKS if mark in template), None)


def require_format(renderer: Renderer) -> ToolFormat:
    """Return the format of a model's calls. Raises ServiceError (400) if the model takes no tools."""
    found = tool_format(renderer)
    if found is None:
        message = "The chat template of this model takes no tools. Remove 'tools', or ask another model."
        raise ServiceError(400, "tools_not_supported", message, "tools")
    return found


def forced_call(tools: Sequence[Tool], names: Sequence[str], form: ToolFormat) -> JsonSchema:
    """Return the schema of one call of a function with one of these names.

    Raises ServiceError (400) if a function's parameters are not supported as a schema.
    """
    functions = [(place, tool.function) for place, tool in enumerate(tools) if tool.function.name in names]
    calls: list[dict[str, Any]] = []
    shared: dict[str, Any] = {}
    for place, function in functions:
        parameters = function.parameters or {"type": "object", "properties": {}}
        client_schema(parameters, f"tools.{place}.function.parameters")
        prefix = f"f{place}_"
        shared |= {f"{prefix}{name}": _moved(each, prefix) for name, each in parameters.get("$defs", {}).items()}
        body = {key: value for key, value in parameters.items() if key != "$defs"}
        properties = {"name": {"const": function.name}, form.arguments: _moved(body, prefix)}
        calls.append(
            {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
        )
    call: dict[str, Any] = calls[0] if len(calls) == 1 else {"anyOf": calls}
    if form.listed:
        call = {"type": "array", "items": call, "minItems": 1, "maxItems": 1}
    return JsonSchema(json.dumps(call | ({"$defs": shared} if shared else {}), ensure_ascii=False))


def _moved(schema: Any, prefix: str) -> Any:
    """Return a schema whose references point to the renamed definitions of the whole call."""
    if isinstance(schema, list):
        return [_moved(item, prefix) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: f"#/$defs/{prefix}{value.removeprefix('#/$defs/')}" if key == "$ref" else _moved(value, prefix)
        for key, value in schema.items()
    }
