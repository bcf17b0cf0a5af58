"""Rewords texts with a model behind any endpoint of OpenAI's chat completions."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kit.data.augmentation.rewording import Reword
from kit.errors import InputError, KitError

if TYPE_CHECKING:
    import httpx

_TRIES = 4
_ONLY = "Keep every name and every number as it is. Write the {what} only, without a word about it."
_PARAPHRASE = f"Say the text in other words. Keep its meaning. {_ONLY.format(what='new text')}"
_TRANSLATE = f"Translate the text into {{language}}. {_ONLY.format(what='translation')}"


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers: the base URL with its version (…/v1), the model's id, and a key if one is needed."""

    url: str
    model: str | None = None
    key: str | None = None
    temperature: float = 0.7
    seconds: float = 120.0

    def paraphrase(self, seed: int) -> Reword:
        """Return a rewording in one request."""
        return lambda text: self.ask(_PARAPHRASE, text, seed)

    def back_translation(self, language: str, original: str, seed: int) -> Reword:
        """Return a rewording by way of another language (Sennrich et al. 2016): two requests."""

        def there_and_back(text: str) -> str:
            abroad = self.ask(_TRANSLATE.format(language=language), text, seed)
            return self.ask(_TRANSLATE.format(language=original), abroad, seed)

        return there_and_back

    def ask(self, instruction: str, text: str, seed: int) -> str:
        """Return the model's answer; retry a few times if the service is busy or fails.

        Raises InputError if the endpoint refuses, KitError if it cannot be reached or does not recover.
        """
        import httpx

        body: dict[str, Any] = {
            "messages": [{"role": "system", "content": instruction}, {"role": "user", "content": text}],
            "temperature": self.temperature,
            "seed": seed,
        }
        body |= {"model": self.model} if self.model else {}
        if self.key and not self.key.isascii():
            raise InputError("The endpoint's key has non-ASCII characters.", next="Check what you copied.")
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        where = f"{self.url.rstrip('/')}/chat/completions"
        for tried in range(1, _TRIES + 1):
            try:
                answer = httpx.post(where, json=body, headers=headers, timeout=self.seconds)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise InputError(f"This is not a valid address: {error}.", where) from None
            except httpx.HTTPError as error:
                raise KitError(f"The endpoint cannot be reached: {error}.", where) from None
            if (answer.status_code != 429 and answer.status_code < 500) or tried == _TRIES:
                break
            time.sleep(_pause(answer.headers.get("retry-after", ""), tried))
        return _text_of(answer, where)


def _pause(asked: str, tried: int) -> float:
    """Seconds until the next try: what the service asks for (a number or a date), a minute at most, or a default."""
    return min(float(asked), 60.0) if re.fullmatch(r"\d+(\.\d+)?", asked, re.ASCII) else float(tried)


def _text_of(answer: httpx.Response, where: str) -> str:
    if answer.status_code != 200:
        kind = InputError if answer.status_code < 500 and answer.status_code != 429 else KitError
        raise kind(f"The endpoint answered {answer.status_code}: {answer.text[:300]}", where)
    try:
        content = answer.json()["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        content = None
    if not isinstance(content, str):
        raise KitError("The endpoint's answer is not a chat completion.", where, "Use its URL with the version: …/v1")
    return content
