"""Files, tokenizer, rendered dialogues and base must match the seal."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kit.base import NANO, find_base
from kit.bundle.manifest import MANIFEST_FILE
from kit.bundle.seal import SEAL_FILE, read_seal
from kit.bundle.store import Bundle
from kit.bundle.verify import verify_base, verify_files, verify_renders
from kit.errors import InputError, Refused
from kit.system.files import file_digest
from kit.workflows.steps.engines import engine_config, sealed_base
from tests.kit.bundle.conftest import Built
from tests.kit.bundle.parts import flip_byte, manifest_again, seal_again


def weights_of(bundle: Bundle) -> Path:
    name = "model/model.safetensors" if bundle.seal.form == "merged" else "adapter/adapter_model.safetensors"
    return bundle.folder / name


def change_template(bundle: Bundle, old: str = "im_end|>\n", new: str = "im_end|> ") -> Path:
    """Change one character after a turn."""
    file = bundle.tokenizer_folder / "chat_template.jinja"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return file


def test_an_unmodified_bundle_passes_every_check(bundle: Bundle) -> None:
    verify_files(bundle)
    verify_renders(bundle, bundle.renderer())
    verify_base(bundle, find_base("nano"))


def test_verifying_files_and_renders_loads_no_deep_learning_package() -> None:
    heavy = "{'torch', 'transformers', 'peft', 'vllm'} & set(sys.modules)"
    script = f"import sys, kit.bundle.verify, kit.bundle.attestation; sys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# --- files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.01, 0.5, 0.999])
def test_a_flipped_byte_in_the_weights_is_refused_by_name(bundle: Bundle, at: float) -> None:
    flip_byte(weights_of(bundle), at)
    with pytest.raises(Refused, match=r"safetensors: This file has changed"):
        verify_files(bundle)


def test_a_flipped_byte_under_a_new_manifest_is_not_what_was_sealed(bundle: Bundle) -> None:
    flip_byte(weights_of(bundle))
    with pytest.raises(Refused, match="The weights are not what was sealed"):
        verify_files(manifest_again(bundle))


def test_a_new_manifest_in_an_old_folder_is_not_the_bundle_that_was_asked_for(bundle: Bundle) -> None:
    (bundle.folder / "README.md").write_text("Trust me.")
    manifest_again(bundle)
    with pytest.raises(Refused, match="does not have the digest that the bundle is named after"):
        verify_files(bundle)


@pytest.mark.parametrize("name", ["tokenizer.json", "chat_template.jinja"])
def test_a_missing_tokenizer_file_is_refused_by_name(bundle: Bundle, name: str) -> None:
    (bundle.tokenizer_folder / name).unlink()
    with pytest.raises(Refused, match=rf"{name}: This file is in the manifest, but it is missing"):
        verify_files(bundle)
    with pytest.raises(Refused, match=rf"{name}: This tokenizer file is missing"):
        verify_files(manifest_again(bundle))


def test_without_a_tokenizer_there_is_no_renderer(bundle: Bundle) -> None:
    file = bundle.tokenizer_folder / "tokenizer.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"model":', '"nodel":', 1), encoding="utf-8")
    with pytest.raises(Refused, match=r"tokenizer cannot be used"):
        bundle.renderer()
    file.unlink()
    with pytest.raises(Refused, match=r"tokenizer cannot be used.*no tokenizer\.json"):
        bundle.renderer()


@pytest.mark.parametrize("name", [SEAL_FILE, MANIFEST_FILE])
def test_a_missing_seal_or_manifest_is_refused(bundle: Bundle, name: str) -> None:
    (bundle.folder / name).unlink()
    with pytest.raises(Refused, match=r"no manifest|seal\.json: .* missing"):
        verify_files(bundle)
    if name == SEAL_FILE:
        with pytest.raises(Refused, match="The bundle has no seal"):
            read_seal(bundle.folder)


def test_another_task_under_a_new_manifest_is_not_what_was_sealed(bundle: Bundle) -> None:
    file = bundle.task_folder / "task.py"
    file.write_text(file.read_text().replace("Where is the", "Who took the"))
    with pytest.raises(Refused, match="The task is not what was sealed"):
        verify_files(manifest_again(bundle))


def test_another_recipe_under_a_new_manifest_is_not_what_was_sealed(bundle: Bundle) -> None:
    file = bundle.task_folder / "recipe.json"
    file.write_text(file.read_text().replace('"learning_rate": 0.0002', '"learning_rate": 0.0003'))
    with pytest.raises(Refused, match="The recipe is not what was sealed"):
        verify_files(manifest_again(bundle))


def test_a_bundle_stays_valid_when_the_recipe_gets_new_settings(bundle: Bundle) -> None:
    file = bundle.task_folder / "recipe.json"
    stored = json.loads(file.read_text())
    del stored["train"]["compute"]  # as an older kit without this setting wrote it
    file.write_text(json.dumps(stored))
    older = seal_again(bundle, digests={**bundle.seal.digests.model_dump(), "recipe": file_digest(file)})
    verify_files(older)
    assert older.recipe.train.compute == "auto"


def test_all_problems_are_reported_at_once(bundle: Bundle) -> None:
    flip_byte(weights_of(bundle))
    change_template(bundle)
    (bundle.task_folder / "task.py").unlink()
    with pytest.raises(Refused) as caught:
        verify_files(bundle)
    assert len(caught.value.problems) == 3
    with pytest.raises(Refused) as caught:
        verify_files(manifest_again(bundle))
    assert len(caught.value.problems) == 3


# --- renders ----------------------------------------------------------------------------------------------------


def test_one_changed_character_in_the_chat_template_is_refused(bundle: Bundle) -> None:
    change_template(bundle)
    with pytest.raises(Refused, match=r"chat_template\.jinja: This file has changed"):
        verify_files(bundle)
    with pytest.raises(Refused, match=r"chat_template\.jinja: This is not the tokenizer file that was sealed"):
        verify_files(manifest_again(bundle))
    with pytest.raises(Refused, match=r"chat_template\.jinja: This is not the tokenizer file that was sealed"):
        verify_renders(bundle, bundle.renderer())


def test_a_template_whose_hash_was_sealed_again_is_caught_by_what_it_renders(bundle: Bundle) -> None:
    file = change_template(bundle)
    careless = seal_again(bundle, tokenizer={**bundle.seal.tokenizer, file.name: file_digest(file)})
    verify_files(careless)
    with pytest.raises(Refused) as caught:
        verify_renders(careless, careless.renderer())
    count = len(bundle.seal.golden)
    assert len(caught.value.problems) == count
    assert f"Golden dialogue 1 of {count} does not render as sealed; it differs at character 47." in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("\n{{m['content']}}", " {{m['content']}}", "does not start with its own prompt"),
        ("{% endfor %}", "{% endfor }", "chat template refused the dialogue"),
        ("{{m['content']}}", "{{m['contend']}}", "does not start with its own prompt"),
    ],
)
def test_a_template_that_no_longer_renders_at_all_is_refused_with_the_reason(
    bundle: Bundle, old: str, new: str, reason: str
) -> None:
    file = change_template(bundle, old, new)
    careless = seal_again(bundle, tokenizer={**bundle.seal.tokenizer, file.name: file_digest(file)})
    with pytest.raises(Refused, match=f"golden dialogues cannot be rendered.*{reason}"):
        verify_renders(careless, careless.renderer())


def swap_two_words(file: Path) -> None:
    """Give two words each other's id: the text stays, the ids change."""
    definition = json.loads(file.read_text(encoding="utf-8"))
    vocabulary = definition["model"]["vocab"]
    vocabulary["Ġis"], vocabulary["Ġthe"] = vocabulary["Ġthe"], vocabulary["Ġis"]
    file.write_text(json.dumps(definition), encoding="utf-8")


def test_a_tokenizer_with_other_ids_is_caught_by_token(bundle: Bundle) -> None:
    file = bundle.tokenizer_folder / "tokenizer.json"
    swap_two_words(file)
    careless = seal_again(bundle, tokenizer={**bundle.seal.tokenizer, file.name: file_digest(file)})
    with pytest.raises(Refused, match=r"Golden dialogue 1 of \d+ does not render as sealed; it differs at token \d+\."):
        verify_renders(careless, careless.renderer())


def test_other_template_arguments_that_change_nothing_pass_and_other_stop_tokens_do_not(bundle: Bundle) -> None:
    verify_renders(bundle, seal_again(bundle, template_args={"unused": True}).renderer())
    file = bundle.tokenizer_folder / "generation_config.json"
    file.write_text('{"eos_token_id": [0, 2, 5]}')
    with pytest.raises(Refused, match=r"tokens that end an answer are \[0, 2, 5\]; sealed are"):
        verify_renders(bundle, bundle.renderer())


# --- base -------------------------------------------------------------------------------------------------------


@pytest.fixture
def copied_nano(tmp_path: Path) -> Callable[[str], Path]:
    def copied(damage: str) -> Path:
        folder = tmp_path / "nano"
        shutil.copytree(NANO, folder)
        flip_byte(folder / damage)
        return folder

    return copied


def test_another_base_is_refused_for_both_forms(bundle: Bundle, copied_nano: Callable[[str], Path]) -> None:
    other = find_base(str(copied_nano(find_base("nano").weight_files()[0].name)))
    with pytest.raises(Refused, match=r"not the base weights .* The bundle needs nano; .* --base PATH"):
        verify_base(bundle, other)


def named(bundle: Bundle, model: str) -> Bundle:
    """The bundle as if its base had been found under another name."""
    base = bundle.seal.base.model_copy(update={"model": model})
    return replace(bundle, seal=bundle.seal.model_copy(update={"base": base}))


@pytest.mark.parametrize("name", ["models/plain", "./models/plain", "plain"])
def test_a_base_is_found_in_the_project_wherever_the_command_is_called(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = shutil.copytree(NANO, tmp_path / "project" / name)
    monkeypatch.chdir(tmp_path)
    assert sealed_base(named(bundle, name), tmp_path / "project").folder == folder.resolve()


def test_a_moved_base_is_read_from_the_given_path(bundle: Bundle, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(NANO, tmp_path / "moved"))
    lost = named(bundle, "./gone")
    with pytest.raises(InputError, match=r"no base model './gone'.* give it: --base PATH"):
        sealed_base(lost, tmp_path)
    assert sealed_base(lost, tmp_path, moved).folder == moved.resolve()
    with pytest.raises(InputError, match="There is no such folder"):
        sealed_base(lost, tmp_path, tmp_path / "nowhere")
    flip_byte(find_base(str(moved)).weight_files()[0])
    with pytest.raises(Refused, match="not the base weights"):
        sealed_base(lost, tmp_path, moved)


def test_a_merged_bundle_is_served_without_its_base(built: Built, tmp_path: Path) -> None:
    assert engine_config([named(built.merged, "./gone")], tmp_path).model == built.merged.model_folder
    moved = Path(shutil.copytree(NANO, tmp_path / "moved"))
    assert engine_config([named(built.adapter, "./gone")], tmp_path, base=moved).model == moved.resolve()
