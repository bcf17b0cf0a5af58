"""A task with every capability: a game character acts before it speaks, knows when to call for help, and fills gaps."""

TASK = '''"""A character that acts and speaks."""
from dataclasses import dataclass, field

from kit.metrics.reductions import mean_of
from kit.task import FreeText, Gap, Message, Prompt, Strict, Task, UnreadableAnswer

ACTIONS = ("wave", "nod")


class Ask(Strict):
    text: str
    suffix: str | None = None


class Acted(Strict):
    action: str


class Said(Strict):
    text: str


class Turn(Strict):
    action: str
    words: str


@dataclass
class Follower:
    """The first word is the action; the rest are the words."""

    begun: dict = field(default_factory=dict)
    acted: bool = False

    def read(self, prompt, text):
        if self.acted:
            return [Said(text=text)] if text else []
        self.begun[prompt] = self.begun.get(prompt, "") + text
        action, space, rest = self.begun[prompt].partition(" ")
        if not space:
            return []
        if action not in ACTIONS:
            raise UnreadableAnswer(f"'{action}' is no action.")
        self.acted = True
        return [Acted(action=action), *([Said(text=rest)] if rest else [])]


class Counter(Task[Ask, Turn]):
    """A character that acts and speaks."""

    name, route, request_type, response_type = "turn", "/v1/turn", Ask, Turn
    metrics, main_metric = {"same": mean_of("same")}, "same"
    event_types = {"action": Acted, "words": Said}

    def shortcut(self, request):
        return Turn(action="call", words="Help is on its way.") if "help" in request.text else None

    def gap(self, request):
        return Gap(request.text, request.suffix or "")

    def follow(self, request):
        return Follower()

    def prompts(self, request):
        if request.suffix is not None:
            return [Prompt(FreeText(), 16, gap=self.gap(request))]
        return [Prompt(FreeText(), 16, (Message.of("user", request.text),))]

    def targets(self, request, response):
        return [f"{response.action} {response.words}" for _ in self.prompts(request)]

    def read(self, request, completions):
        action, _, words = completions[0].text.partition(" ")
        if action not in ACTIONS:
            raise UnreadableAnswer(f"'{action}' is no action.")
        if words == "bad":
            raise UnreadableAnswer("These words are bad.")
        return Turn(action=action, words=words)

    def observe(self, expected, actual):
        return {"same": float(expected == actual)}
'''
