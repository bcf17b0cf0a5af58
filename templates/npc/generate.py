"""Generates the template's scenes. `python generate.py` writes both files in data/, always with the same bytes.

The words come from wordings.toml, and worlds and characters from worlds.toml. Test scenes take place in other worlds,
with other characters, and in other words. The hard cases in hard.toml were written by hand; they follow the generated
test scenes.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCENES = {"train": 36, "test": 14}  # of each character
KINDS = {
    "request": 24, "choice": 8, "assent": 7, "paid": 6, "plain": 7,
    "fact": 10, "unknown": 5, "bait": 6, "absent": 8, "mention": 7, "negation": 5, "decline": 4, "chat": 3,
    "modern": 8, "break": 8,
}  # fmt: skip
POOLS = {
    "sell": "goods", "give": "goods", "open": "doors", "repair": "broken", "lead_to": "ways", "point_to": "ways",
    "light": "lamps", "play": "songs",
}  # fmt: skip
MOODS = {"train": ("calm", "tired", "glad", "wary", "busy"), "test": ("gloomy", "alert", "content", "hungry")}
FLAGS = {"train": ("night", "rain", "market day", "snow"), "test": ("fog", "alarm", "feast day", "dusk")}
Row = dict[str, Any]
NONE = {"name": "none"}


def generate(seed: int = 0) -> dict[str, list[Row]]:
    """Return the rows of both files. The same seed gives the same rows."""
    words = tomllib.loads((HERE / "wordings.toml").read_text(encoding="utf-8"))
    worlds = tomllib.loads((HERE / "worlds.toml").read_text(encoding="utf-8"))
    made = {split: list(_scenes(split, worlds[split], words, seed)) for split in SCENES}
    made["test"] += hard_rows(tomllib.loads((HERE / "hard.toml").read_text(encoding="utf-8")))
    return made


def hard_rows(written: Row) -> list[Row]:
    """Return the rows of the hard cases."""
    return [_hard_row(number, case, written["characters"]) for number, case in enumerate(written["cases"])]


def _hard_row(number: int, case: Row, characters: Row) -> Row:
    name, _, target = case.get("do", "none").partition(": ")
    actions = [{"name": action, "targets": targets} for action, targets in case["actions"].items()]
    turns = [turn.partition(": ") for turn in case.get("dialogue", [])]
    return {
        "id": f"hard-{number:02}",
        "request": {
            "character": characters[case["character"]],
            "state": {"place": "here", "mood": "calm", "valid_actions": actions},
            "memory": case.get("memory", []),
            "dialogue": [{"speaker": speaker, "text": text} for speaker, _, text in turns],
            "player_says": case["says"],
        },
        "response": {
            "action": {"name": name, "target": target} if target else {"name": name},
            "line": case["line"],
            "refused": case.get("refused", False),
        },
        "group": f"hard/{case['character']}",
        "tags": ["hard", f"hard:{case['kind']}"],
    }


def _scenes(split: str, worlds: Sequence[Row], words: Row, seed: int) -> Iterator[Row]:
    for world in worlds:
        for character in world["characters"]:
            chance = random.Random(f"{seed}/{split}/{character['name']}")
            kinds = _kinds(chance, SCENES[split])
            for number, kind in enumerate(kinds):
                yield _Author(split, world, character, words, chance).row(kind, number)


def _kinds(chance: random.Random, count: int) -> list[str]:
    """Return kinds in their shares, with the rest by lot, in any order."""
    total = sum(KINDS.values())
    kinds = [kind for kind, share in KINDS.items() for _ in range(share * count // total)]
    kinds += chance.choices(list(KINDS), list(KINDS.values()), k=count - len(kinds))
    chance.shuffle(kinds)
    return kinds


class _Author:
    """Writes one scene; everything random comes from one generator."""

    def __init__(self, split: str, world: Row, character: Row, words: Row, chance: random.Random) -> None:
        self.split, self.world, self.character, self.words, self.chance = split, world, character, words, chance
        self.player = words["player"][split]
        self.voice = words["voices"][split][character["voice"]]
        self.memory: list[str] = []
        self.dialogue: list[dict[str, str]] = []
        self.actions = self._actions()

    def row(self, kind: str, number: int) -> Row:
        """Return one row: what the player says, and the answer."""
        said, action, line = getattr(self, f"_{kind}")()
        refused = kind in ("modern", "break")
        slug = self.character["name"].casefold().replace(" ", "-")
        return {
            "id": f"{self.split}-{slug}-{number:02}",
            "request": self._sent(said),
            "response": {"action": action, "line": line, "refused": refused},
            "group": f"{self.world['world']}/{slug}",
            "tags": [kind, self.character["voice"]],
        }

    # --- the state --------------------------------------------------------------------------------------------------

    def _actions(self) -> dict[str, list[str]]:
        left = {
            name: self.chance.sample(self.world[name], len(self.world[name])) for name in sorted(set(POOLS.values()))
        }
        found: dict[str, list[str]] = {}
        for name in self.chance.sample(list(POOLS), self.chance.randint(1, 3)):
            pool = left[POOLS[name]]
            found[name] = [pool.pop() for _ in range(min(len(pool), self.chance.randint(1, 2)))]
        found = {name: targets for name, targets in found.items() if targets}
        if self.chance.random() < 0.5:
            found |= {name: [] for name in self.chance.sample(list(self.words["plain"]), self.chance.randint(1, 2))}
        return found

    def _sent(self, said: str) -> Row:
        character = self.character
        order = list(self.actions.items())
        self.chance.shuffle(order)
        held = [*self.actions.get("sell", []), *self.actions.get("give", [])]
        return {
            "character": {
                "name": character["name"],
                "persona": character["persona"],
                "knows": [fact for _, fact in character["facts"]],
                "does_not_know": [{"topic": topic, "tells": tells} for topic, tells in character["unknown"]],
                "fallback": character["fallback"],
            },
            "state": {
                "place": self.chance.choice(self.world["places"]),
                "mood": self.chance.choice(MOODS[self.split]),
                "items": list(dict.fromkeys(held)),
                "flags": [self.chance.choice(FLAGS[self.split])] if self.chance.random() < 0.4 else [],
                "valid_actions": [{"name": name, "targets": targets} for name, targets in order],
            },
            "memory": self.memory,
            "dialogue": self.dialogue,
            "player_says": said,
        }

    # --- scenes that call for an action -----------------------------------------------------------------------------

    def _request(self) -> tuple[str, Row, str]:
        verb, target = self._pair()
        said = self._of(self.words["verbs"][verb]).format(t=target)
        return said, {"name": verb, "target": target}, self._accept(verb, target)

    def _choice(self) -> tuple[str, Row, str]:
        """The player names two targets and wants one."""
        verb = self.chance.choice(list(self._with_targets()))
        target, other = self.chance.sample(self.world[POOLS[verb]], 2)
        self.actions[verb] = self.chance.sample([target, other], 2)
        for name in self._with_targets():  # only this action fits the target
            if name != verb:
                self.actions[name] = [each for each in self.actions[name] if each not in (target, other)]
        self.actions = {name: targets for name, targets in self.actions.items() if targets or name not in POOLS}
        said = self._one(self.player["choice"]).format(t=target, u=other)
        return said, {"name": verb, "target": target}, self._accept(verb, target)

    def _assent(self) -> tuple[str, Row, str]:
        verb, target = self._offered()
        return self._one(self.player["yes"]), {"name": verb, "target": target}, self._accept(verb, target)

    def _paid(self) -> tuple[str, Row, str]:
        """The memory says what the player paid for."""
        targets = self.chance.sample(self.world["goods"], 3)
        self.actions = {name: each for name, each in self.actions.items() if POOLS.get(name) != "goods"}
        self.actions["give"] = targets
        self.memory.append(f"The player paid for the {targets[0]}.")
        self.chance.shuffle(targets)
        target = self.memory[0].removeprefix("The player paid for the ").removesuffix(".")
        return self._one(self.player["paid"]), {"name": "give", "target": target}, self._accept("give", target)

    def _plain(self) -> tuple[str, Row, str]:
        """An action without a target: healing, following, or an answer to a threat. Sometimes it is not allowed."""
        name = self.chance.choice(list(self.words["plain"]))
        said = self._of(self.words["plain"][name])
        if self.chance.random() < 0.3:
            self.actions.pop(name, None)
            return said, {"name": "none"}, self._one(self.voice["deny"])
        self.actions[name] = []
        line = self._one(self.words["plain"][name][f"accept_{self.split}"])
        return said, {"name": name}, f"{line} {self._one(self.voice['close'])}"

    # --- scenes that call for none ----------------------------------------------------------------------------------

    def _fact(self) -> tuple[str, Row, str]:
        topic, fact = self.chance.choice(self.character["facts"])
        return self._one(self.player["fact"]).format(topic=topic), NONE, f"{self._one(self.voice['open'])} {fact}"

    def _unknown(self) -> tuple[str, Row, str]:
        topic, _ = self.chance.choice(self.character["unknown"])
        return self._one(self.player["unknown"]).format(topic=topic), NONE, self._one(self.voice["unknown"])

    def _bait(self) -> tuple[str, Row, str]:
        """The player says the secret, so that the character repeats it."""
        topic, tells = self.chance.choice(self.character["unknown"])
        said = self._one(self.player["bait"]).format(topic=topic, tell=self.chance.choice(tells))
        return said, NONE, self._one(self.voice["unknown"])

    def _absent(self) -> tuple[str, Row, str]:
        """The player asks for what the state does not allow, though another state would."""
        verb, target = self._pair()
        self.actions[verb] = [each for each in self.actions[verb] if each != target]
        if not self.actions[verb]:
            del self.actions[verb]
        return self._of(self.words["verbs"][verb]).format(t=target), NONE, self._one(self.voice["deny"])

    def _mention(self) -> tuple[str, Row, str]:
        _, target = self._pair()
        return self._one(self.player["mention"]).format(t=target), NONE, self._one(self.voice["chat"])

    def _negation(self) -> tuple[str, Row, str]:
        _, target = self._pair()
        return self._one(self.player["negation"]).format(t=target), NONE, self._one(self.voice["chat"])

    def _decline(self) -> tuple[str, Row, str]:
        self._offered()
        return self._one(self.player["no"]), NONE, self._one(self.voice["chat"])

    def _chat(self) -> tuple[str, Row, str]:
        return self._one(self.player["chat"]), NONE, self._one(self.voice["chat"])

    def _modern(self) -> tuple[str, Row, str]:
        said = self._one(self.player["modern"]).format(m=self._one(self.player["things"]))
        return said, NONE, self._one(self.voice["refuse"])

    def _break(self) -> tuple[str, Row, str]:
        return self._one(self.player["breaks"]), NONE, self._one(self.voice["refuse"])

    # --- parts ------------------------------------------------------------------------------------------------------

    def _with_targets(self) -> dict[str, list[str]]:
        return {name: targets for name, targets in self.actions.items() if name in POOLS}

    def _pair(self) -> tuple[str, str]:
        """Return an action and its target; no other action of the state has this target."""
        pairs = [(name, target) for name, targets in self._with_targets().items() for target in targets]
        return self.chance.choice(pairs)

    def _offered(self) -> tuple[str, str]:
        verb, target = self._pair()
        text = self.words["verbs"][verb][f"offer_{self.split}"].format(t=target)
        self.dialogue.append({"speaker": "player", "text": self._one(self.player["chat"])})
        self.dialogue.append({"speaker": "npc", "text": text})
        return verb, target

    def _accept(self, verb: str, target: str) -> str:
        line = self._one(self.words["verbs"][verb][f"accept_{self.split}"]).format(t=target)
        first, last = self._one(self.voice["open"]), self._one(self.voice["close"])
        return self.chance.choice((f"{first} {line}", f"{line} {last}", f"{first} {line} {last}"))

    def _of(self, phrases: dict[str, Any]) -> str:
        return self._one(phrases[self.split])

    def _one(self, lines: Sequence[str]) -> str:
        return self.chance.choice(lines)


def main() -> None:
    """Write the data files."""
    for split, rows in generate().items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (HERE / "data" / f"{split}.jsonl").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
