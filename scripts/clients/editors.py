"""Requests with exactly the fields that code editors and games send, about one gap in one small file."""

from __future__ import annotations

import re
from typing import Any

BEFORE = "def double(x):\n    return "
AFTER = "\n\n\nprint(double(4))\n"
QWEN = f"<|fim_prefix|>{BEFORE}<|fim_suffix|>{AFTER}<|fim_middle|>"
QWEN_FILES = f"<|repo_name|>maths\n<|file_sep|>a.py\nx = 1\n<|file_sep|>b.py\n{QWEN}"
STARCODER = f"<fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>"
QWEN_STOPS = [
    "<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>",
    "<|file_sep|>", "<|im_start|>", "<|im_end|>", "/src/", "#- coding: utf-8", "```",
]  # fmt: skip
STARCODER_STOPS = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<file_sep>", "<|endoftext|>", "/src/", "```"]

_GAP: dict[str, Any] = {
    "id_slot": 0, "input_prefix": "def double(x):\n", "input_suffix": AFTER, "prompt": "    return ", "top_k": 40,
    "samplers": ["top_k", "top_p", "infill"], "stream": False, "cache_prompt": True, "t_max_prompt_ms": 500,
    "n_indent": 4,
}  # fmt: skip
_TIMES = [f"timings/{part}_{unit}" for part in ("prompt", "predicted") for unit in ("n", "ms", "per_second")]
VIM: dict[str, Any] = {
    **_GAP, "input_extra": [{"text": "x = 1\n", "time": [1, 2], "filename": "a.py"}], "n_predict": 128, "stop": [],
    "top_p": 0.90, "t_max_predict_ms": 250, "model": "",
    "response_fields": ["content", *_TIMES, "timings/truncated", "tokens_cached", "truncated"],
}  # fmt: skip
"""llama.vim: the model and the key are empty, and the fields that it reads have slashes in their names."""
VIM_WARM_UP: dict[str, Any] = {
    **VIM, "input_prefix": "", "input_suffix": "", "prompt": "", "n_predict": 0, "samplers": [], "t_max_prompt_ms": 1,
    "t_max_predict_ms": 1, "response_fields": [""],
}  # fmt: skip
VSCODE: dict[str, Any] = {
    **_GAP, "input_extra": [{"text": "x = 1\n", "time": 1700000000000, "filename": "a.py"}], "n_predict": 128,
    "top_p": 0.99, "n_cmpl": 3, "t_max_predict_ms": 500,
}  # fmt: skip
"""llama.vscode asks for three answers at once."""
CONTINUE_NATIVE: dict[str, Any] = {
    "model": "", "prompt": QWEN, "stream": True, "n_predict": 64, "temperature": 0.01, "top_k": 40, "top_p": 1,
    "min_p": 0, "mirostat": 0, "stop": QWEN_STOPS, "frequency_penalty": 0.0, "presence_penalty": 0.0,
}  # fmt: skip
TABBY_NATIVE: dict[str, Any] = {
    "seed": 1, "prompt": QWEN, "n_predict": 64, "temperature": 0.1, "stream": True, "penalty_last_n": 0,
    "presence_penalty": 0.0,
}  # fmt: skip
CONTINUE: dict[str, Any] = {"model": "code", "max_tokens": 64, "temperature": 0.01, "stream": True}
TABBY: dict[str, Any] = {
    "model": "code", "prompt": BEFORE, "max_tokens": 64, "temperature": 0.1, "stream": True, "presence_penalty": 0.0,
}  # fmt: skip
MINUET: dict[str, Any] = {"model": "code", "stream": True, "prompt": BEFORE, "suffix": AFTER}
"""minuet sends this three times at once, without a budget and without a temperature."""
ZED: dict[str, Any] = {"model": "code", "prompt": QWEN, "max_tokens": 64, "stop": [*QWEN_STOPS, "\n\n\n", "<|cursor|>"]}
PROXY_AI: dict[str, Any] = {
    "model": "code", "prompt": f"<|fim_prefix|> {BEFORE} <|fim_suffix|> {AFTER} <|fim_middle|>", "suffix": "",
    "stream": True, "max_tokens": 128, "temperature": 0.0, "presence_penalty": 0,
    "stop": [*QWEN_STOPS[:10], "import ", "package ", "diff --git"],
}  # fmt: skip
GAME: dict[str, Any] = {"id_slot": 0, "n_keep": 0, "cache_prompt": True, "n_predict": 32, "stream": True}

SENTINELS = re.compile(
    r"<\|(?:fim|code)_\w+\|>|<fim_\w+>|<\|(?:repo_name|file_sep|file_separator|cursor|pad)\|>|<(?:repo_name|file_sep)>"
    r"|<｜\w+▁[\w▁]+｜>|<\[fim-\w+\]>|<(?:PRE|SUF|MID|EOT)>|<\|(?:endoftext|end_of_text|im_start|im_end|user)\|>"
)
"""Names of tokens that mark parts of a prompt or its end, of every family of models that editors know."""
