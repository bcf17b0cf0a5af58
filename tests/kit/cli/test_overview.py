"""What there is to do: whole sentences for a reader, JSON for a program, and the words that people type for help."""

from __future__ import annotations

import click
import pytest

from kit.cli.main import commands, run


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert run(words) == code
    found = capsys.readouterr()
    return found.out if code == 0 else found.err


def json_of(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    import json

    return dict(json.loads(said(capsys, *words)))


@pytest.mark.parametrize("words", [("--help",), (), ("data", "--help"), ("data",)])
def test_every_command_is_described_in_a_whole_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    listed = said(capsys, *words).split("Commands:\n")[1].split("\n\n")[0]
    rows = [" ".join(row.split()) for row in listed.replace("\n   ", "   ").split("\n") if row.strip()]
    assert len(rows) > 1
    assert [row for row in rows if not row.endswith(".") or row.endswith("...")] == []


@pytest.mark.parametrize(("words", "some"), [((), {"new", "check", "train"}), (("data",), {"import", "augment"})])
@pytest.mark.parametrize("json_first", [False, True])
def test_with_json_the_commands_are_data(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], some: set[str], json_first: bool
) -> None:
    found = json_of(capsys, *(("--json", *words) if json_first else (*words, "--json")))
    assert found["command"] == " ".join(("kit", *words))
    listed = found["commands"]
    assert isinstance(listed, list)
    assert some <= {each["name"] for each in listed}
    assert all(each["summary"].endswith(".") for each in listed)


def test_help_is_also_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "help") == said(capsys, "--help")
    assert said(capsys, "help", "train") == said(capsys, "train", "--help")
    assert said(capsys, "help", "data", "import") == said(capsys, "data", "import", "--help")
    assert json_of(capsys, "help", "train", "--json")["command"] == "kit train"


def test_help_on_what_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no command 'kit trian'. Did you mean 'train'?" in said(capsys, "help", "trian", code=2)
    assert "'kit train' has no commands of its own." in said(capsys, "help", "train", "fast", code=2)


def test_version_is_also_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "version") == said(capsys, "--version")
    assert json_of(capsys, "version", "--json") == json_of(capsys, "--version", "--json")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("serve", "--tensor-parallel", "2"), "See: kit serve --help"),
        (("train", "--config", "x"), "See: kit train --help"),
        (("serve", "--expose"), "See: kit serve --help"),
        (("search", "--wrker", "3"), "Did you mean '--workers'?"),
        (("serve", "--expose-previw"), "Did you mean '--expose-preview'?"),
    ],
)
def test_an_option_is_suggested_only_for_a_slip(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], shown: str
) -> None:
    assert said(capsys, *words, code=2).endswith(f". {shown}\n")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("check", "--price-per-hour", "nan"), "--price-per-hour"),
        (("check", "--price-per-hour", "1e308"), "--price-per-hour"),
        (("train", "--price-per-hour", "nan"), "--price-per-hour"),
        (("check", "--peak-tflops", "inf"), "--peak-tflops"),
        (("check", "--peak-tflops", "1e-300"), "--peak-tflops"),
        (("train", "--threads", "1180591620717411303424"), "--threads"),
        (("serve", "--threads", "2147483648"), "--threads"),
        (("data", "augment", "rules", "--seed", "1180591620717411303424"), "--seed"),
        (("data", "augment", "rules", "--temperature", "nan"), "--temperature"),
        (("data", "import", "--test-share", "nan"), "--test-share"),
        (("eval", "--limit", "1180591620717411303424"), "--limit"),
    ],
)
def test_a_number_that_nothing_can_compute_with_is_refused_with_its_option(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], option: str
) -> None:
    assert f"Invalid value for '{option}'" in said(capsys, *words, code=2)


def leaves(command: click.Command) -> list[click.Command]:
    if not isinstance(command, click.Group):
        return [command]
    context = click.Context(command)
    found = (command.get_command(context, name) for name in command.list_commands(context))
    return [leaf for each in found if each is not None for leaf in leaves(each)]


def needed(command: click.Command) -> list[str]:
    """A word for each argument that the command cannot do without."""
    required = [each for each in command.params if isinstance(each, click.Argument) and each.required]
    return [each.type.choices[0] if isinstance(each.type, click.Choice) else "x" for each in required]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "9" * 30])
def test_no_command_takes_a_number_beyond_all_bounds(value: str) -> None:
    tried = 0
    for command in leaves(commands):
        for option in command.params:
            if isinstance(option.type, click.types.FloatParamType | click.types.IntParamType):
                argument = isinstance(option, click.Argument)
                words = ["--", value] if argument else [*needed(command), option.opts[0], value]
                with pytest.raises(click.BadParameter):
                    command.make_context("kit", words)
                tried += 1
    assert tried
