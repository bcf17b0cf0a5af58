"""Fields that other servers support and this one does not: refused by name, unless their value changes nothing."""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import Any

from serving.errors import ServiceError

_NOTHING: tuple[Any, ...] = (None,)
_OFF = (None, False)
_ON = (None, True)
_ZERO = (None, 0)
_ONE = (None, 1)
_EMPTY: tuple[Any, ...] = (None, [], {}, "")
_UNLESS_NEEDED = (None, "none", "auto")

# For each field the values that change nothing. First OpenAI's fields, then vLLM's, then llama.cpp's.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "n": _ONE,
        "tools": _EMPTY,
        "tool_choice": _UNLESS_NEEDED,
        "functions": _EMPTY,
        "function_call": _UNLESS_NEEDED,
        "logprobs": _OFF,
        "top_logprobs": _ZERO,
        "logit_bias": _EMPTY,
        "presence_penalty": _ZERO,
        "frequency_penalty": _ZERO,
        "audio": _NOTHING,
        "modalities": (None, [], ["text"]),
        "prediction": _NOTHING,
        "web_search_options": _NOTHING,
        "reasoning_effort": (None, "none"),
        "best_of": _ONE,
        "echo": _OFF,
        "suffix": _EMPTY,
        **dict.fromkeys(
            (
                "guided_json",
                "guided_regex",
                "guided_choice",
                "guided_grammar",
                "guided_decoding_backend",
                "guided_whitespace_pattern",
                "structured_outputs",
                "structural_tag",
                "stop_token_ids",
                "bad_words",
                "allowed_token_ids",
                "logits_processors",
                "logprob_token_ids",
                "documents",
                "chat_template",
                "chat_template_kwargs",
                "vllm_xargs",
                "kv_transfer_params",
                "ec_transfer_params",
                "repetition_detection",
                "mm_processor_kwargs",
                "media_io_kwargs",
            ),
            _EMPTY,
        ),
        "repetition_penalty": _ONE,
        "length_penalty": _ONE,
        "min_p": _ZERO,
        "min_tokens": _ZERO,
        "priority": _ZERO,
        "ignore_eos": _OFF,
        "use_beam_search": _OFF,
        "include_stop_str_in_output": _OFF,
        "continue_final_message": _OFF,
        "add_special_tokens": _OFF,
        "return_token_ids": _OFF,
        "return_tokens_as_token_ids": _OFF,
        "return_token_offsets": _OFF,
        "return_prompt_text": _OFF,
        "watermarking": _OFF,
        "skip_special_tokens": _ON,
        "spaces_between_special_tokens": _ON,
        "add_generation_prompt": _ON,
        "include_reasoning": _ON,
        "truncate_prompt_tokens": _NOTHING,
        "prompt_logprobs": _NOTHING,
        "thinking_token_budget": _NOTHING,
        "stream_interval": _ONE,
        "json_schema": _EMPTY,
        "grammar": _EMPTY,
        "n_predict": (None, -1),
        "n_probs": _ZERO,
        "mirostat": _ZERO,
        "typical_p": _ONE,
        "repeat_penalty": _ONE,
        "dry_multiplier": _ZERO,
        "xtc_probability": _ZERO,
        "dynatemp_range": _ZERO,
    }
)
_WRAPPERS = ("extra_body",)  # an OpenAI client merges it into the body; other clients send it as a field


def refuse_unsupported(fields: Mapping[str, Any], supported: Container[str]) -> None:
    """Raise ServiceError (400) for the first field with a value that this service does not support.

    `fields` are the fields that the request type does not declare. A supported field inside a wrapper is refused too,
    because it would be ignored.
    """
    for name, value in fields.items():
        if name in _NEUTRAL and not _is_neutral(value, _NEUTRAL[name]):
            raise _refusal(name, f"'{name}' is not supported with this value. Remove it.")
        if name in _WRAPPERS and isinstance(value, Mapping):
            _refuse_wrapped(name, value, supported)


def add_unsupported(schema: dict[str, Any]) -> None:
    """Add the refused fields to a request's JSON schema, with the values that are accepted."""
    properties = schema["properties"]
    description = "Not supported: only values that change nothing are accepted."
    unread = {name: {"enum": list(neutral), "description": description} for name, neutral in _NEUTRAL.items()}
    refused = {name: values for name, values in unread.items() if name not in properties}
    wrapped = {**{name: {"enum": [None]} for name in properties}, **refused}
    properties |= refused | {name: {"properties": wrapped, "description": "Not read."} for name in _WRAPPERS}


def _refuse_wrapped(wrapper: str, fields: Mapping[str, Any], supported: Container[str]) -> None:
    for name, value in fields.items():
        acts = value is not None if name in supported else not _is_neutral(value, _NEUTRAL.get(name, (value,)))
        if acts:
            message = f"Fields in '{wrapper}' are ignored. Move '{name}' to the top level if this service supports it."
            raise _refusal(f"{wrapper}.{name}", message)


def _is_neutral(value: Any, neutral: tuple[Any, ...]) -> bool:
    """Whether a value is one of the neutral values; false is not 0, and true is not 1."""
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in neutral)


def _refusal(name: str, message: str) -> ServiceError:
    return ServiceError(400, "unsupported_parameter", message, name)
