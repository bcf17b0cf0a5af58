"""The command `kit serve`: unmodified bundles start on every engine; changed ones never become ready and say why."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.commands import Service, kit_json, serving
from tests.e2e.conftest import Trained

TEXT = "This Agreement is governed by the laws of the Republic of Freedonia. Either party may give notice."


@pytest.mark.parametrize("form", ["merged", "adapter"])
@pytest.mark.parametrize(
    ("engine", "threads"), [("local", 1), ("local", 2), pytest.param("vllm", 2, marks=pytest.mark.vllm)]
)
def test_an_unmodified_bundle_starts_and_answers(trained: Trained, form: str, engine: str, threads: int) -> None:
    bundle = getattr(trained, form)
    with serving(bundle, "--engine", engine, "--threads", str(threads), cwd=trained.root) as service:
        answer = httpx.post(f"{service.url}/v1/legal/clauses", json={"text": TEXT}, timeout=120)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-domainkit-status"] == "preview"
        assert answer.headers["x-domainkit-bundle"] == bundle
        assert answer.json()["coverage"] == 1.0
        assert all(TEXT[c["start"] : c["end"]] == c["exact"] for c in answer.json()["clauses"])
        assert httpx.get(f"{service.url}/readyz").status_code == 200
        assert finishes_after_an_interrupt(service) == "data: [DONE]"
        assert service.process.wait(60) == 130


def finishes_after_an_interrupt(service: Service) -> str:
    """Press Ctrl-C while a streamed answer is being written; return the last line of the stream."""
    asked = {"messages": [{"role": "user", "content": TEXT}], "max_tokens": 200, "temperature": 1.0, "stream": True}
    with httpx.stream("POST", f"{service.url}/v1/chat/completions", json=asked, timeout=120) as answer:
        lines = answer.iter_lines()
        next(lines)
        service.interrupt()
        *_, last = filter(None, lines)
    return last


def change_template(bundle: Path) -> None:
    template = next(bundle.rglob("chat_template.jinja"))
    template.write_text(template.read_text().replace("assistant", "assistent", 1))


def flip_weights(bundle: Path) -> None:
    weights = next(bundle.rglob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(bytes(content))


def remove_tokenizer(bundle: Path) -> None:
    next(bundle.rglob("tokenizer.json")).unlink()


def zero_adapter(bundle: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = bundle / "adapter" / "adapter_model.safetensors"
    save_file({name: tensor * 0 for name, tensor in load_file(weights).items()}, weights)


@pytest.mark.parametrize(
    ("form", "damage", "named"),
    [
        ("merged", change_template, "chat_template.jinja"),
        ("merged", flip_weights, "safetensors"),
        ("merged", remove_tokenizer, "tokenizer.json"),
        ("adapter", change_template, "chat_template.jinja"),
        ("adapter", flip_weights, "safetensors"),
        ("adapter", zero_adapter, "adapter_model.safetensors"),
    ],
)
def test_a_damaged_bundle_is_refused_with_the_file_that_differs(
    trained: Trained, tmp_path: Path, form: str, damage: Callable[[Path], None], named: str
) -> None:
    root = shutil.copytree(trained.root, tmp_path / "copy")
    digest = getattr(trained, form)
    damage(root / "bundles" / "sha256" / digest)
    error = kit_json("serve", digest, "--port", "0", "--engine", "local", cwd=root, code=4)["error"]
    assert any(named in problem["what"] + problem["where"] for problem in error["problems"]), error


def test_a_neighbours_adapter_put_in_its_place_is_refused(trained: Trained, tmp_path: Path) -> None:
    root = shutil.copytree(trained.root, tmp_path / "copy")
    from safetensors.torch import load_file, save_file

    weights = root / "bundles" / "sha256" / trained.adapter / "adapter" / "adapter_model.safetensors"
    save_file({name: -tensor for name, tensor in load_file(weights).items()}, weights)
    error = kit_json("serve", trained.adapter, "--port", "0", "--engine", "local", cwd=root, code=4)["error"]
    assert any("adapter_model.safetensors" in problem["what"] + problem["where"] for problem in error["problems"])


def test_a_port_in_use_is_reported_before_anything_is_loaded(trained: Trained) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        error = kit_json("serve", "--port", port, "--engine", "local", cwd=trained.root, code=2)["error"]
    assert port in json.dumps(error)


def test_a_preview_is_not_served_to_other_machines(trained: Trained) -> None:
    words = ("serve", trained.merged, "--host", "0.0.0.0", "--port", "0", "--engine", "local")
    error = kit_json(*words, cwd=trained.root, code=4)["error"]
    assert "preview" in error["problems"][0]["what"]


def test_the_error_for_an_unknown_bundle_lists_the_known_ones(trained: Trained) -> None:
    error = kit_json("serve", "0123456789", cwd=trained.root, code=2)["error"]
    assert "no bundle '0123456789'" in error["problems"][0]["what"]
