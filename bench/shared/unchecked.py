"""What a service without the checker would answer: the model's own words, believed as they are.

Each function returns the response as JSON-able data; None where nothing can be made of the words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from bench.shared.violations import Data, Written, written_action

_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


def _support(request: Data, written: Written) -> Data | None:
    draft = _object(written.texts[0])
    if draft is None:
        return None
    passages = request.get("passages", ())
    cited = [passages[at - 1] for at in draft["sources"] if at <= len(passages)]
    reply = str(draft.get("text") or " ".join(each["text"] for each in cited))
    left = {"reason": draft["reason"] or "not_covered", "summary": "none"} if draft["action"] == "hand_off" else None
    return {
        "action": draft["action"], "reply": reply, "intent": draft["intent"], "hand_off": left,
        "sources": [each["id"] for each in cited],
    }  # fmt: skip


def _npc(request: Data, written: Written) -> Data | None:
    scene, action = _object(written.texts[0]), written_action(request, written.texts[0])
    if scene is None or action is None or not scene["line"]:
        return None
    name, target = action
    return {"action": {"name": name, "target": target}, "line": scene["line"][:400], "refused": scene["refused"]}


def _code(_: Data, written: Written) -> Data:
    return {"completion": written.texts[0]}


def _chat(_: Data, written: Written) -> Data | None:
    text = written.texts[0]
    said, found = text.partition("<tool_call>")[0].strip() or None, [_object(each) for each in _CALL.findall(text)]
    calls = [
        {"id": f"call_{at}", "function": {"name": each.get("name"), "arguments": json.dumps(each.get("arguments"))}}
        for at, each in enumerate(found)
        if each is not None
    ]
    return {"message": {"content": said, "tool_calls": calls}} if said or calls else None


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


BELIEVED: Mapping[str, Callable[[Data, Written], Data | None]] = {
    "support": _support,
    "npc": _npc,
    "code": _code,
    "chat": _chat,
}
"""Where a template is not here, its checker changes nothing that the metric reads, in the form of the smoke profile."""
