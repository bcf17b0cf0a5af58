"""The help desk: what customers can want, why a thread goes to a person, and the fixed lines. Make these your own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Intent = Literal[
    "bill", "payment", "plan_change", "cancel", "roaming", "no_internet", "slow_internet", "sim", "return_device",
    "outage", "keep_number", "data_allowance", "moving", "person", "complaint", "danger", "unclear", "thanks", "wait",
    "out_of_scope",
]  # fmt: skip
INTENTS: tuple[Intent, ...] = get_args(Intent)

ModelReason = Literal["not_covered", "account_change", "disputes_policy", "asked_for_person", "complaint", "danger"]
Reason = Literal[ModelReason, "unsupported_claim", "unusable_reply"]
"""Why a person takes over. The model may give any but the last two: only the checker gives those."""

ALWAYS_A_PERSON: Mapping[Intent, ModelReason] = {
    "person": "asked_for_person",
    "complaint": "complaint",
    "danger": "danger",
}
"""Wishes that a person always answers, whatever the model says."""

WITHOUT_SOURCE: frozenset[Intent] = frozenset({"unclear", "thanks", "out_of_scope"})
"""Wishes that may be answered without a passage. A reply to any other cites one."""

OUT_OF_SCOPE_LINE = "I can only help with your Plovertel phone, internet and bills. What can I do for you there?"
CLARIFY_LINE = "Which service is it about: your phone, your internet or a bill?"
THANKS_LINE = "You are welcome. Write to us here whenever you need help."
HAND_OFF_LINE = "I am passing you to a colleague, who will read this conversation and answer here."

QUOTED_LINES: Mapping[Intent, str] = {"unclear": CLARIFY_LINE, "thanks": THANKS_LINE}
"""What is said without a passage if the option `reply` is `quoted`."""

CLAIM_STEMS = (
    "refund", "reimburs", "credit", "waive", "discount", "free", "compensat", "guarante", "voucher", "gift", "bonus",
    "half", "double", "twice", "triple", "unlimited", "goodwill", "exception", "upgrade", "approv", "entitle", "promis",
    "exempt", "complimentary", "gratis", "rebate", "cashback", "money back", "reduc", "deduct",
    "today", "tomorrow", "tonight", "monday", "tuesday", "wednesday", "thursday",
    "friday", "saturday", "sunday", "weekend",
)  # fmt: skip
"""Starts of words that promise something. A reply may use such a word only if a cited passage does."""

BANNED_PHRASES = (
    "unfortunately", "as an ai", "as a language model", "per our policy", "calm down", "as i already said",
    "kindly", "valued customer", "at this time", "we apologise for any inconvenience", "to be honest", "obviously",
)  # fmt: skip
"""Phrases that the house style avoids. They are counted, not refused."""

APOLOGIES = ("sorry", "apologise", "apologize", "apologies", "our fault", "forgive us")
