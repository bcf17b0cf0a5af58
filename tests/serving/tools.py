"""A function, a call of it, and a service whose chat template takes tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service

HERMES = (
    "{%- if tools %}{{ '<|im_start|>system\n' }}{%- for tool in tools %}{{ tool | tojson }}\n{%- endfor %}"
    "{{ 'Call with <tool_call>{}</tool_call><|im_end|>\n' }}{%- endif %}"
    "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content }}"
    "{%- for c in m.tool_calls or [] %}{{ '<tool_call>' + (c.function | tojson) + '</tool_call>' }}{%- endfor %}"
    "{{ '<|im_end|>\n' }}{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}"
)
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a town. <|im_end|>",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}
CALL = '{"name": "weather", "arguments": {"town": "Norhaven"}}'
StartWithTools = Callable[[str], tuple[Service, ControlledEngine]]
"""Serve a bundle whose chat template takes tools; the engine writes the given text."""
