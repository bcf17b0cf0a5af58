"""Any texts at all: words of several scripts, and every kind of white space."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = st.text(st.sampled_from("abXYZ019,.;é\u0301\U0001d538\U0001f4ce§“中"), min_size=1)
BLANKS = st.sampled_from([" ", "  ", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2003"])
TEXTS = st.lists(st.tuples(WORDS, BLANKS), min_size=1, max_size=120).map(lambda pairs: "".join(map("".join, pairs)))
ANY_TEXT = st.one_of(TEXTS, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=900))
