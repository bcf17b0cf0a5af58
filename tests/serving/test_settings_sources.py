"""Settings of a service: flags before the environment before the file before defaults, each mistake with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.errors import InputError
from serving.settings import Settings
from serving.settings_sources import resolve


def problem(flags: dict[str, Any], config: Path | None = None) -> tuple[str, str, str]:
    with pytest.raises(InputError) as raised:
        resolve(flags, config)
    [found] = raised.value.problems
    return found.what, found.where, found.next


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "service.yaml"
    path.write_text("port: 8100\nhost: 127.0.0.2\nthreads: 3\nvllm:\n  max_num_seqs: 4\n  dtype: float16\n")
    return path


def test_each_source_wins_over_the_next(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINKIT_HOST", "127.0.0.3")
    monkeypatch.setenv("DOMAINKIT_PORT", "8200")
    monkeypatch.setenv("DOMAINKIT_VLLM__MAX_NUM_SEQS", "8")
    resolved = resolve({"port": 8300, "threads": None}, file)
    settings = resolved.settings
    assert (settings.port, settings.host, settings.threads, settings.body_seconds) == (8300, "127.0.0.3", 3, 60.0)
    assert (settings.vllm.max_num_seqs, settings.vllm.dtype) == (8, "float16")
    assert (resolved.places["port"], resolved.places["host"], resolved.places["threads"]) == (
        "flag",
        "environment",
        str(file),
    )


def test_an_object_made_in_code_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINKIT_PORT", "8200")
    assert Settings().port == 8000


def test_the_printed_settings_are_a_file_with_the_same_settings(file: Path, tmp_path: Path) -> None:
    for flags in ({}, {"cors_origins": ["https://example.org"], "upstream": {"url": "http://127.0.0.1:1"}}):
        first = resolve(flags, file)
        printed = tmp_path / "printed.yaml"
        printed.write_text(first.as_yaml())
        again = resolve({}, printed).settings
        assert again == first.settings
        assert again.vllm.model_fields_set == first.settings.vllm.model_fields_set
    assert f"# {file}\nport: 8100" in first.as_yaml()


def test_secrets_are_not_printed() -> None:
    text = resolve({"vllm": {"extra": {"hf_token": "hunter2", "max_logprobs": 5}}}).as_yaml()
    assert "hunter2" not in text
    assert "hf_token: '***'" in text
    assert "max_logprobs: 5" in text
    nested = {"headers": [{"x-api-key": "hunter2"}], "HF-Token": "hunter2"}
    assert "hunter2" not in resolve({"vllm": {"extra": nested}}).as_yaml()


def test_hidden_text_is_not_read_back_as_the_secret() -> None:
    what, where, advice = problem({"vllm": {"extra": {"hf_token": "***"}}})
    assert (what, where) == ("The value is hidden.", "vllm.extra.hf_token")
    assert "--print-config" in advice


def test_a_mistake_in_a_file_is_named_with_its_line_and_the_nearest_name(tmp_path: Path) -> None:
    path = tmp_path / "service.yaml"
    path.write_text("port: 8000\nbody_byte: 5\n")
    what, where, advice = problem({}, path)
    assert (what, where) == ("Unknown key 'body_byte'.", f"{path}:2")
    assert "body_bytes" in advice


def test_a_mistake_in_the_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setenv("DOMAINKIT_VLLM__MAX_NUM_SEQS", "many")
    assert problem({}, file)[1] == "DOMAINKIT_VLLM__MAX_NUM_SEQS"
    monkeypatch.delenv("DOMAINKIT_VLLM__MAX_NUM_SEQS")
    monkeypatch.setenv("DOMAINKIT_CORS_ORIGINS", "https://example.org")
    _, where, advice = problem({})
    assert where == "DOMAINKIT_CORS_ORIGINS"
    assert '["https://example.org"]' in advice


def test_the_file_is_named_where_only_a_neighbour_is_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "service.yaml"
    path.write_text("vllm:\n  max_num_seq: 5\n")
    monkeypatch.setenv("DOMAINKIT_VLLM__DTYPE", "float16")
    assert problem({}, path)[1] == f"{path}:2"


def test_a_mistake_in_a_flag_names_the_setting() -> None:
    assert problem({"port": 99999})[1] == "port"
    assert problem({"vllm": {"max_num_seqs": 0}})[1] == "vllm.max_num_seqs"
