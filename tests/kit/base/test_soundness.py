"""The gate for bases: each kind of damage is named with its file, and sound bases pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from kit.base import NANO
from kit.base.families import FAMILIES, expected_tensors
from kit.base.loading import load_causal
from kit.base.soundness import inspect_model, refuse_unsound
from kit.base.values import not_finite
from kit.base.weight_files import INDEX, SINGLE
from kit.errors import InputError
from tests.kit.bases import State, copy_nano, edit_json, edit_weights, untie

Damage = Callable[[Path], object]
FIRST, SECOND = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
FULL = "full_attention"


def config(**changes: Any) -> Damage:
    return lambda folder: edit_json(folder / "config.json", **changes)


def weights(change: Callable[[State], State]) -> Damage:
    return lambda folder: edit_weights(folder, change)


def renamed(old: str, new: str) -> Damage:
    return weights(lambda state: {name.replace(old, new): tensor for name, tensor in state.items()})


def added(**tensors: int) -> Damage:
    more = {name.replace("__", "."): torch.zeros(size) for name, size in tensors.items()}
    return weights(lambda state: {**state, **more})


def poisoned(value: float) -> Damage:
    def change(state: State) -> State:
        state["model.layers.3.mlp.up_proj.weight"][5, 7] = value
        return state

    return weights(change)


def only_other_formats(folder: Path) -> None:
    no_weights(folder)
    torch.save({}, folder / "pytorch_model.bin")


def no_weights(folder: Path) -> None:
    for file in folder.glob("model*"):
        file.unlink()


def cut(folder: Path) -> None:
    (folder / FIRST).write_bytes((folder / FIRST).read_bytes()[:-100])


def wrong_index(folder: Path) -> None:
    text = (folder / INDEX).read_text()
    (folder / INDEX).write_text(text.replace('"model.norm.weight"', '"model.other.weight"'))


def other_head(folder: Path) -> None:
    edit_weights(folder, lambda state: {**state, "lm_head.weight": state["model.embed_tokens.weight"] + 1})


def longer_vocabulary(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["unheard"] = 8192
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def unused_token(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": 8192, "content": "<|image|>"})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


DAMAGES: dict[str, tuple[Damage, str, str]] = {
    "a head that is in no file": (config(tie_word_embeddings=False), "config.json", "no file holds lm_head.weight"),
    "a renamed norm": (
        renamed("model.norm.", "model.nrom."),
        SINGLE,
        "No file holds 'model.norm.weight', a tensor of the model.* The files hold 'model.nrom.weight'",
    ),
    "a renamed norm in a layer": (renamed("3.input_layernorm", "3.input_norm"), SINGLE, "no place for 'model.layers.3"),
    "fewer layers": (
        config(num_hidden_layers=7, layer_types=[FULL] * 7),
        "config.json",
        r"num_hidden_layers is 7; the files hold 8 layers\. Set num_hidden_layers: 8",
    ),
    "more layers": (config(num_hidden_layers=9), "config.json", "num_hidden_layers is 9; the files hold 8 layers"),
    "another family": (config(model_type="llama"), INDEX, "no place for 16 tensors of the files, such as .*k_norm"),
    "other widths": (config(num_key_value_heads=4), INDEX, r"16 tensors have shapes .*: \[128, 256\] in the files"),
    "no weights": (no_weights, "nano", "no safetensors weights"),
    "other formats only": (only_other_formats, "pytorch_model.bin", "only pytorch_model.bin. Save them again"),
    "a missing shard": (lambda folder: (folder / SECOND).unlink(), SECOND, "This file is missing; the index places"),
    "a missing index": (lambda folder: (folder / INDEX).unlink(), "nano", f"no {INDEX}"),
    "a broken index": (lambda folder: (folder / INDEX).write_text("{"), INDEX, "index of the weights cannot be read"),
    "a wrong index": (wrong_index, SECOND, "does not hold, such as 'model.other.weight'"),
    "a shard that was cut": (cut, FIRST, "the file has been cut"),
    "another vocabulary": (config(vocab_size=9000), "config.json", "vocab_size is 9000; the embeddings .* 8192 rows"),
    "values that are not a number": (
        poisoned(float("nan")),
        SINGLE,
        "'model.layers.3.mlp.up_proj.weight' holds values",
    ),
    "infinite values": (poisoned(float("-inf")), SINGLE, "infinite or not a number"),
    "an unknown type": (config(model_type="qwen33"), "config.json", "has no model of the type 'qwen33'"),
    "quantised by gptq": (config(quantization_config={"quant_method": "gptq"}), "config.json", r"already \(gptq\)"),
    "quantised by mlx": (config(quantization={"bits": 4}), "config.json", "quantised already"),
    "an end outside": (config(eos_token_id=[2, 8192]), "config.json", "eos_token_id is 8192; .* for 0 to 8191"),
    "an end outside when generating": (
        lambda folder: edit_json(folder / "generation_config.json", eos_token_id=9000),
        "generation_config.json",
        "eos_token_id is 9000",
    ),
    "words outside": (longer_vocabulary, "tokenizer.json", "goes up to id 8192"),
    "a tie that is none": (other_head, "config.json", "the files hold another lm_head.weight"),
    "no configuration": (lambda folder: (folder / "config.json").unlink(), "nano", "There is no config.json"),
    "a configuration that is a list": (
        lambda folder: (folder / "config.json").write_text("[]"),
        "config.json",
        "not a JSON object",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_with_its_file_and_refused_before_loading(name: str, tmp_path: Path) -> None:
    damage, file, words = DAMAGES[name]
    folder = copy_nano(tmp_path / "nano")
    damage(folder)
    with pytest.raises(InputError, match=words) as error:
        load_causal(folder)
    assert Path(error.value.problems[0].where).name == file
    assert all(problem.next for problem in error.value.problems)


def untie_and_say_tied(folder: Path) -> None:
    untie(folder)
    config(tie_word_embeddings=True)(folder)


HONEST: dict[str, Damage] = {
    "as it is": lambda folder: None,
    "in one file": weights(lambda state: state),
    "a head of its own": untie,
    "a tied head that is stored too": untie_and_say_tied,
    "computed frequencies": added(model__layers__0__self_attn__rotary_emb__inv_freq=32),
    "a vision tower": added(vision_tower__layers__0__q__weight=3, model__vision_tower__encoder__layers__9__q__weight=3),
    "the head of a reward model": added(v_head__summary__weight=3),
    "saved without a head's class": weights(lambda state: {name[6:]: tensor for name, tensor in state.items()}),
    "an added token that nobody writes": unused_token,
    "very large values": poisoned(3e38),
    "no padding": config(pad_token_id=-1),
    "no end in the configuration": config(eos_token_id=None),
}


@pytest.mark.parametrize("name", HONEST)
def test_a_sound_base_passes_and_loads(name: str, tmp_path: Path) -> None:
    folder = copy_nano(tmp_path / "nano")
    HONEST[name](folder)
    found = inspect_model(folder)
    assert (found.problems, found.unknown) == ([], "")
    assert load_causal(folder).config.num_hidden_layers == 8


# --- families ---------------------------------------------------------------------------------------------------

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def tiny(kind: str, **settings: Any) -> Any:
    return AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**{**SMALL, **settings}))


@pytest.mark.parametrize("flags", [{}, {"attention_bias": True, "mlp_bias": True}, {"tie_word_embeddings": False}])
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_tensors_of_a_family_are_those_of_its_class(kind: str, flags: dict[str, bool]) -> None:
    with torch.device("meta"):
        model = tiny(kind, **flags)
    declared = model.config.to_dict()
    stored = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        del stored["lm_head.weight"]
    assert expected_tensors(declared) == stored
    brief = {key: value for key, value in declared.items() if key in SMALL or key in flags or key == "model_type"}
    found = expected_tensors(brief) or {}
    assert found.keys() == stored.keys()
    assert all(None in shape or shape == stored[name] for name, shape in found.items())


@pytest.mark.parametrize("kind", [*FAMILIES, "stablelm", "gpt_neox", "qwen3_moe"])
def test_a_tiny_model_of_each_family_passes_as_it_is_saved_and_loads(kind: str, tmp_path: Path) -> None:
    tiny(kind).save_pretrained(tmp_path)
    refuse_unsound(tmp_path)
    assert load_causal(tmp_path).config.model_type == kind
    assert bool(inspect_model(tmp_path).unknown) is (kind not in FAMILIES)


@pytest.mark.parametrize(
    ("kind", "name"), [("stablelm", "model.norm.weight"), ("gpt_neox", "gpt_neox.layers.1.attention.dense.bias")]
)
def test_a_tensor_that_is_missing_in_another_family_is_refused_when_it_is_loaded(
    kind: str, name: str, tmp_path: Path
) -> None:
    tiny(kind).save_pretrained(tmp_path)
    edit_weights(tmp_path, lambda state: {key: tensor for key, tensor in state.items() if key != name})
    with pytest.raises(InputError, match=f"No file holds '{name}'"):
        load_causal(tmp_path)


# --- values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_one_value_of_many_is_found_in_every_type(kind: torch.dtype, value: float, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    most = torch.finfo(kind).max
    sound = torch.tensor([0.0, -0.0, 1.0, most, -most, torch.finfo(kind).tiny], dtype=kind)
    broken = torch.cat([torch.randn(999).to(kind), torch.tensor([value]).to(kind), sound])
    save_file({"sound": sound, "broken": broken}, tmp_path / SINGLE)
    assert not_finite(tmp_path / SINGLE) == ("broken",)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    folder = copy_nano(tmp_path / "nano")
    assert inspect_model(folder).problems == []
    poisoned(float("nan"))(folder)
    assert len(inspect_model(folder).problems) == 1
    assert inspect_model(NANO).problems == []
