"""Public sets as this template's examples. Both are share-alike: what you publish of them keeps their licence.

`tmwa` reads the pairs of players and characters of The Mana World (GPL-2.0, copyleft): a file of JSON lines, or the
folder that holds `pairs.jsonl`. `crd3` reads transcripts of the Critical Role Dungeons and Dragons Dataset
(CC BY-SA 4.0, share-alike): files of JSON lines with an episode and its turns, or a folder of them.
Neither set has actions, so every row has the action `none`, and the words are what is learned.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kit.errors import InputError, Problem, nearest
from kit.task import Example

from .bounds import Bounds
from .schema import LONGEST_LINE, NONE, Action, Character, SceneRequest, SceneResponse, State, Turn

SceneExample = Example[SceneRequest, SceneResponse]
_MASTER = "MATT"
_LEAST = 20  # characters of a line of CRD3 that is worth learning
_MOST_ROWS = 2000


@dataclass(frozen=True)
class Record:
    """One object of a file, and where it is."""

    values: Mapping[str, Any]
    where: str


class Moment(NamedTuple):
    """A line of the game master, what was said before it, and what was said before that and whether by the master."""

    episode: str
    number: int
    earlier: tuple[bool, str]
    before: str
    line: str


def tmwa(path: Path, settings: Mapping[str, str]) -> Sequence[SceneExample]:
    """The Mana World: what characters answer to players (GPL-2.0, copyleft). A group is a character.

    Setting `greetings`: yes or no (default): whether lines that answer nothing are taken too. Lines that are too
    long, or out of the bounds of this task, are left out.
    """
    greetings = _setting(settings, "greetings", "no", ("yes", "no")) == "yes"
    made: dict[str, SceneExample] = {}
    for record in _records([_file(path)]):
        for example in _pair(record, greetings):  # of two replies to the same words, the first is kept
            made.setdefault(example.request.model_dump_json(), example)
    return _some(list(made.values()), path)


def crd3(path: Path, settings: Mapping[str, str]) -> Sequence[SceneExample]:
    """CRD3: what a game master says after a player (CC BY-SA 4.0, share-alike). A group is an episode.

    Setting `rows`: how many rows to take, chosen by a hash of their content (default: 2000).
    """
    given = _setting(settings, "rows", str(_MOST_ROWS), ())
    if not (given.isascii() and given.isdigit() and int(given)):
        raise InputError(f"'{given}' is not a number of rows.", "--set rows", "Give a whole number above 0.")
    moments = [moment for record in _records(_files(path)) for moment in _episode(record)]
    chosen = sorted(moments, key=lambda moment: hashlib.sha256(repr(moment).encode()).digest())
    examples = (example for moment in chosen for example in _answered(moment))
    return _some(list(itertools.islice(examples, int(given))), path)


importers = {"tmwa": tmwa, "crd3": crd3}


def _pair(record: Record, greetings: bool) -> Iterator[SceneExample]:
    npc, player, reply = (_text(record, key) for key in ("npc", "player", "npc_reply"))
    if not npc:
        raise InputError("This pair has no name of a character.", record.where, "Each pair has npc, player, npc_reply.")
    if player or greetings:
        persona = f"a person at {_text(record, 'map') or 'an unknown place'} in The Mana World"
        request = _request(npc, persona, player or "(comes closer)", ())
        yield from _example(request, reply, npc.casefold(), {"set": "The Mana World", "licence": "GPL-2.0"})


def _episode(record: Record) -> Iterator[Moment]:
    episode, turns = _text(record, "episode"), record.values.get("turns")
    if not episode or not isinstance(turns, list):
        raise InputError("This line is no episode.", record.where, "Each line has an episode and its list of turns.")
    said = [(turn.get("names") == [_MASTER], " ".join(str(turn.get("text", "")).split())) for turn in turns]
    for number in range(2, len(said)):
        earlier, (by_master, before), (master, line) = said[number - 2 : number + 1]
        if master and not by_master and earlier[1] and before and _LEAST <= len(line) <= LONGEST_LINE:
            yield Moment(episode, number, earlier, before, line)


def _answered(moment: Moment) -> Iterator[SceneExample]:
    by_master, text = moment.earlier
    turn = Turn(speaker="npc" if by_master else "player", text=text[:LONGEST_LINE])
    said = moment.before[:LONGEST_LINE]
    request = _request("Game master", "tells the story and plays its people", said, (turn,))
    yield from _example(request, moment.line, moment.episode, {"set": "CRD3", "licence": "CC BY-SA 4.0"})


def _request(name: str, persona: str, said: str, dialogue: tuple[Turn, ...]) -> SceneRequest:
    character = Character(name=name[:80], persona=persona[:240], fallback="Hm. Give me a moment.")
    return SceneRequest(character=character, state=State(place="here"), dialogue=dialogue, player_says=said)


def _example(request: SceneRequest, line: str, group: str, origin: Mapping[str, str]) -> Iterator[SceneExample]:
    """Yield the example, unless its line is empty, too long or out of bounds, or the player's words are too long."""
    if not line or len(line) > LONGEST_LINE or Bounds.of(request).faults(line):
        return
    name = hashlib.sha256(f"{request.model_dump_json()}\0{line}".encode()).hexdigest()[:16]
    response = SceneResponse(action=Action(name=NONE), line=line)
    yield SceneExample(id=name, request=request, response=response, group=group, provenance=origin)


def _text(record: Record, key: str) -> str:
    found = record.values.get(key, "")
    if not isinstance(found, str):
        raise InputError(f"'{key}' is not a text.", record.where)
    return " ".join(found.split())[: 10 * LONGEST_LINE]


def _setting(settings: Mapping[str, str], name: str, default: str, known: Sequence[str]) -> str:
    problems = [
        Problem(f"There is no setting '{given}'.", "--set", nearest(given, [name]) or f"Known: {name}.")
        for given in settings
        if given != name
    ]
    value = settings.get(name, default)
    if known and value not in known:
        problems.append(Problem(f"'{value}' is not a value of {name}.", f"--set {name}", f"Known: {', '.join(known)}."))
    if problems:
        raise InputError(problems)
    return value


def _file(path: Path) -> Path:
    file = path / "pairs.jsonl" if path.is_dir() else path
    if not file.is_file():
        raise InputError("There is no such file.", str(file), "Name pairs.jsonl, or the folder that holds it.")
    return file


def _files(path: Path) -> list[Path]:
    found = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise InputError("There is no file of episodes.", str(path), "Name a .jsonl file, or a folder of them.")
    return found


def _records(files: Sequence[Path]) -> Iterator[Record]:
    for file in files:
        with file.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield Record(_object(line, f"{file}:{number}"), f"{file}:{number}")


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError("This line is not a JSON object.", where, "Each line of the file is one object.")
    return found


def _some(examples: Sequence[SceneExample], path: Path) -> Sequence[SceneExample]:
    if not examples:
        raise InputError("There is no usable pair in this copy.", str(path))
    return examples
