"""The page shows what the tasks return."""

from __future__ import annotations

import json
import re
from typing import Any

from finance_parts import PROJECT, said  # type: ignore[import-not-found]

from kit.task import Task

PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_sentiment_on_the_page_is_what_the_task_returns(sentiment: Task[Any, Any]) -> None:
    (request,) = re.findall(r"'(\{\"text\".*?\})'", PAGE)
    (response,) = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    written = [said("yes", 0.9), said("positive", 0.9), said("yes", 0.8), said("negative", 0.85)]
    found = sentiment.read(sentiment.request_type.model_validate_json(request), written).model_dump(mode="json")
    for each in found["sentiments"]:
        each["confidence"] = round(each["confidence"], 2)
        each["probabilities"] = {label: round(share, 2) for label, share in each["probabilities"].items()}
    assert found == response


def test_the_routes_and_the_table_on_the_page_fit_the_tasks(sentiment: Task[Any, Any], report: Task[Any, Any]) -> None:
    assert f"`POST {sentiment.route}`" in PAGE
    assert f"`POST {report.route}`" in PAGE
    (table,) = re.findall(r"^table = (\[.*?^\])", PAGE, re.DOTALL | re.MULTILINE)
    rows = json.loads(re.sub(r",\s*\]", "]", table))
    request = report.request_type.model_validate({"title": "Brindle Foods, Q3 2031", "table": rows})
    found = report.read(request, [said("Revenue rose by 12.7 % to USD 14.2 million in Q3 2031.")])
    assert found.status == "ok"
