"""`kit data augment`: by rules and by an endpoint that is really there; never from what measures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.base import NANO
from kit.chat import Renderer
from kit.engines.base import Generation
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.kit.cli.conftest import Run
from tests.kit.toy import lines, row
from tests.serving.bundles import weightless_bundle
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service, running

RENDERER = Renderer(NANO)


def answer(asked: Generation) -> str:
    """Translate by putting a text backwards, so that there and back is the text again; else add words to it."""
    if asked.sampling.max_tokens == 1:
        return "ready"
    read = RENDERER.decode(asked.ids)
    text = read.split("user\n")[-1].split("\nassistant")[0].strip()
    if "Translate" in read:
        return f"{text[::-1]} oui" if "French" in read else text.removesuffix(" oui")[::-1]
    return f"it is said that {text}"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    deployed = Deployed(weightless_bundle(tmp_path_factory.mktemp("endpoint")), "preview")
    with running(create_app(Settings(), ControlledEngine(answer), [deployed])) as service:
        yield service


def written(toy: Path) -> list[dict[str, object]]:
    text = (toy / "data" / "train-augmented.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def negated(toy: Path, count: int = 10) -> None:
    rows = [
        row("train", n, request={"text": f"visit {n}: it is not {'open' if n % 2 else 'dear'} now"})
        for n in range(count)
    ]
    (toy / "data" / "train.jsonl").write_text(lines(rows))


def test_rules_write_the_old_rows_and_new_ones_that_name_their_source(toy: Path, run: Run) -> None:
    negated(toy)
    ran = run("data", "augment", "rules", "--copies", "3", "--json", cwd=toy)
    assert ran.code == 0, ran.err
    rows = written(toy)
    made = rows[10:]
    assert len(made) == ran.json["new"] > 0
    assert ran.json["examples"] + ran.json["held_out"] == 10
    by_id = {each["id"]: each for each in rows[:10]}
    for each in made:
        source = by_id[each["provenance"]["from"]]  # type: ignore[index]
        assert (each["group"], each["response"]) == (source["group"], source["response"])
        assert each["provenance"]["augmented"] == "rules"  # type: ignore[index]
    first = (toy / "data" / "train-augmented.jsonl").read_bytes()
    run("data", "augment", "rules", "--copies", "3", "--replace", cwd=toy)
    assert (toy / "data" / "train-augmented.jsonl").read_bytes() == first


def test_what_was_written_can_be_trained_on(toy: Path, run: Run) -> None:
    negated(toy, count=60)
    run("data", "augment", "rules", cwd=toy)
    recipe = toy / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("train:\n", "data: {train: data/train-augmented.jsonl}\ntrain:\n", 1))
    ran = run("check", "--json", cwd=toy)
    assert ran.code == 0, ran.out
    facts = ran.json["facts"]["data"]
    assert facts["train"]["examples"] + facts["validation"]["examples"] > 60


def test_the_test_file_is_refused_and_so_is_a_row_of_a_tested_group(toy: Path, run: Run) -> None:
    ran = run("data", "augment", "rules", "--from", "data/test.jsonl", cwd=toy)
    assert ran.code == 2
    assert "is also in the test or validation file" in ran.err
    train = toy / "data" / "train.jsonl"
    train.write_text(train.read_text() + lines([row("train", 900, group="test-3")]))
    ran = run("data", "augment", "rules", cwd=toy)
    assert ran.code == 2
    assert f"{train}:61: The group 'test-3'" in ran.err
    assert not list((toy / "data").glob("*-augmented*"))


def test_an_endpoint_paraphrases_and_is_named_in_the_provenance(toy: Path, run: Run, endpoint: Service) -> None:
    url = f"{endpoint.url}/v1"
    ran = run("data", "augment", "paraphrase", "--url", url, "--model", "counter", "--limit", "4", "--json", cwd=toy)
    assert ran.code == 0, ran.out
    made = written(toy)[60:]
    assert len(made) == 4
    assert all(each["request"]["text"].startswith("it is said that train visit") for each in made)  # type: ignore[index]
    assert made[0]["provenance"]["model"] == "counter"  # type: ignore[index]


def test_a_back_translation_that_comes_back_as_it_was_is_left_out(toy: Path, run: Run, endpoint: Service) -> None:
    url = f"{endpoint.url}/v1"
    ran = run("data", "augment", "back-translation", "--url", url, "--limit", "3", "--json", cwd=toy)
    assert ran.code == 0, ran.out
    assert (ran.json["new"], sum(ran.json["left_out"].values())) == (0, 3)


def test_an_endpoint_that_is_not_there_or_refuses_is_told_and_nothing_is_written(
    toy: Path, run: Run, endpoint: Service
) -> None:
    ran = run("data", "augment", "paraphrase", "--url", "http://127.0.0.1:9/v1", cwd=toy)
    assert ran.code == 1
    assert "cannot be reached" in ran.err
    ran = run("data", "augment", "paraphrase", "--url", f"{endpoint.url}/v1", "--model", "nobody", cwd=toy)
    assert ran.code == 2
    assert "The endpoint answered 404" in ran.err
    assert run("data", "augment", "paraphrase", cwd=toy).code == 2
    assert not list((toy / "data").glob("*-augmented*"))


def test_a_dry_run_asks_nobody_and_writes_nothing(toy: Path, run: Run) -> None:
    ran = run("data", "augment", "paraphrase", "--url", "http://127.0.0.1:9/v1", "--dry-run", "--json", cwd=toy)
    assert ran.code == 0
    assert ran.json["examples"] + ran.json["held_out"] == 60
    assert not list((toy / "data").glob("*-augmented*"))
