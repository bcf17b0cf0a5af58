"""From what the model wrote to a response: the rules of the desk, which no draft can break."""

from __future__ import annotations

from .checker import findings
from .desk import ALWAYS_A_PERSON, HAND_OFF_LINE, OUT_OF_SCOPE_LINE, QUOTED_LINES, WITHOUT_SOURCE, Intent, Reason
from .figures import unsupported
from .schema import MOST_SUMMARY, Check, Choice, Draft, HandOff, SupportRequest, SupportResponse


class Reading:
    """Reads drafts for one request."""

    def __init__(self, request: SupportRequest) -> None:
        self.request = request
        self._texts = {each.id: each.text for each in request.passages}

    def response(self, draft: Draft | Choice) -> SupportResponse:
        """Return the response that the rules make of a draft."""
        text = draft.text.strip() if isinstance(draft, Draft) else None
        if draft.intent in ALWAYS_A_PERSON:
            return self._hand_off(draft.intent, ALWAYS_A_PERSON[draft.intent], self._summary(draft, text))
        if draft.intent == "out_of_scope" and draft.action == "reply":
            return SupportResponse(action="reply", reply=OUT_OF_SCOPE_LINE, intent="out_of_scope")
        if draft.action == "hand_off":
            return self._hand_off(draft.intent, draft.reason or "not_covered", self._summary(draft, text))
        if draft.intent == "wait":
            return SupportResponse(action="silent", intent="wait")
        if draft.action == "silent":
            return self._withhold(draft.intent, [Check(kind="form", text=f"silent to {draft.intent}")])
        return self._replied(draft, text)

    def unusable(self, why: str) -> SupportResponse:
        """Return the hand-off of a thread for which the model wrote nothing that can be read."""
        return self._withhold(None, [Check(kind="form", text=why[:200])])

    def _replied(self, draft: Draft | Choice, text: str | None) -> SupportResponse:
        passages = self.request.passages
        cited = tuple(dict.fromkeys(passages[at - 1].id for at in draft.sources if at <= len(passages)))
        checks = [Check(kind="source", text=f"[{at}]") for at in draft.sources if at > len(passages)]
        if not cited and draft.intent not in WITHOUT_SOURCE:
            checks.append(Check(kind="source", text="none"))
        texts = [self._texts[each] for each in cited]
        reply = text if text is not None else _quoted(draft.intent, texts)
        if not reply:
            checks.append(Check(kind="form", text="an empty reply"))
        found = findings(reply, texts)
        checks += found if text is not None else [each for each in found if each.kind == "placeholder"]
        if checks:
            return self._withhold(draft.intent, checks)
        return SupportResponse(action="reply", reply=reply, intent=draft.intent, sources=cited)

    def _withhold(self, intent: Intent | None, checks: list[Check]) -> SupportResponse:
        claimed = any(each.kind in ("figure", "claim", "action", "link", "source") for each in checks)
        reason: Reason = "unsupported_claim" if claimed else "unusable_reply"
        found = "; ".join(f"{each.kind}: {each.text}" for each in checks[:5])
        said = f"The bot's reply was withheld ({found}). {self._last_words()}"
        left = HandOff(reason=reason, summary=said[:4_500])
        return SupportResponse(
            action="hand_off", reply=HAND_OFF_LINE, intent=intent, hand_off=left, checks=tuple(checks[:50])
        )

    def _hand_off(self, intent: Intent, reason: Reason, summary: str) -> SupportResponse:
        left = HandOff(reason=reason, summary=summary)
        return SupportResponse(action="hand_off", reply=HAND_OFF_LINE, intent=intent, hand_off=left)

    def _summary(self, draft: Draft | Choice, text: str | None) -> str:
        """Return the model's summary, if it wrote one and every figure in it stands in the request."""
        given = [*self._texts.values(), *(turn.text for turn in self.request.thread)]
        usable = text and draft.action == "hand_off" and len(text) <= MOST_SUMMARY and not unsupported(text, given)
        return text if usable and text else self._last_words()

    def _last_words(self) -> str:
        """Return the customer's last words, which need no model."""
        last = next((turn.text for turn in reversed(self.request.thread) if turn.role == "customer"), "")
        return f"The customer wrote: {last}" if last else "The customer has not written yet."


def _quoted(intent: Intent, texts: list[str]) -> str:
    """Return the cited passages, each on one line; a fixed line if there is none."""
    return " ".join(" ".join(each.split()) for each in texts) or QUOTED_LINES.get(intent, "")
