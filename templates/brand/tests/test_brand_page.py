"""The page shows what the task returns."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from kit.task import Completion, Task

PAGE = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_answer_on_the_page_is_what_the_task_returns(task: Task[Any, Any]) -> None:
    request, response = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    assert f"`POST {task.route}`" in PAGE
    read = task.read(task.request_type.model_validate_json(json.dumps(request)), [Completion(response["text"])])
    assert read.model_dump(mode="json") == response
