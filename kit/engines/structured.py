"""From an answer type to a grammar. Every engine compiles the same grammar with the same settings."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel

from kit.task import AnswerSpec, Choices, ClientGrammar, JsonSchema, answer_schema

# Compact JSON in declared key order, as kit.task.write_answer writes it; xgrammar's names for it.
COMPACT_JSON: dict[str, Any] = {"any_whitespace": False, "separators": (",", ":")}
# vLLM's names for the same.
VLLM_STRUCTURED_OUTPUTS: dict[str, Any] = {"backend": "xgrammar", "disable_any_whitespace": True}

# The compiler's messages start with a time and a position in its own source.
_COMPILER_PLACE = re.compile(r"\[\d\d:\d\d:\d\d\] \S+:\d+: ")


@dataclass(frozen=True)
class Grammar:
    """A constraint for decoding: a JSON schema, or an EBNF grammar."""

    kind: Literal["json", "ebnf"]
    source: str


def grammar_of(spec: AnswerSpec) -> Grammar | None:
    """Return the grammar of an answer type; None if any text is an answer."""
    if isinstance(spec, Choices):
        return Grammar("ebnf", "root ::= " + " | ".join(_literal(label) for label in spec.labels))
    if isinstance(spec, ClientGrammar):
        return Grammar("ebnf", spec.text)
    if isinstance(spec, type):
        return Grammar("json", _schema_text(spec))
    schema = answer_schema(spec)
    return None if schema is None else Grammar("json", json.dumps(schema, ensure_ascii=False))


def as_schema(spec: AnswerSpec) -> AnswerSpec:
    """Return an answer type as its JSON schema, which has the same grammar and can be sent to another process.

    Choices and free text stay unchanged.
    """
    return JsonSchema(_schema_text(spec), own=True) if isinstance(spec, type) else spec


def client_grammar(spec: AnswerSpec) -> Grammar | None:
    """Return the grammar of a client's own schema or grammar; None for what a bundle's task declares."""
    sent = isinstance(spec, ClientGrammar) or (isinstance(spec, JsonSchema) and not spec.own)
    return grammar_of(spec) if sent else None


@lru_cache(maxsize=512)
def _schema_text(answer: type[BaseModel]) -> str:
    """Return the schema of a type. Writing it takes milliseconds, and a long document has thousands of prompts."""
    return json.dumps(answer.model_json_schema(), ensure_ascii=False)


def compiler_reason(error: Exception) -> str:
    """Return xgrammar's reason for refusing a grammar, without its source lines and without a full stop."""
    return _COMPILER_PLACE.sub("", str(error)).strip().rstrip(".")


def _literal(label: str) -> str:
    """Quote a label for EBNF: control characters are escaped, everything else is unchanged."""
    quoted = label.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\u{ord(char):04x}" if ord(char) < 32 or ord(char) == 127 else char for char in quoted) + '"'
