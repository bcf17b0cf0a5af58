"""Groups and the parts that they are assigned to."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kit.data.assignment import Group, assign

GROUPS = st.lists(
    st.builds(Group, st.text(min_size=1), st.sampled_from(["a", "b", "c"])),
    min_size=3,
    max_size=80,
    unique_by=lambda group: group.name,
)


@given(groups=GROUPS, validation=st.sampled_from([0.0, 0.1, 0.3]), test=st.sampled_from([0.0, 0.2, 0.4]))
def test_every_label_has_its_share_to_within_one_group_and_some_groups_are_trained_on(
    groups: list[Group], validation: float, test: float
) -> None:
    parts = assign(groups, validation, test)
    assert set(parts) == {group.name for group in groups}
    assert "train" in parts.values()
    sizes = Counter(group.label for group in groups)
    for part, share in (("validation", validation), ("test", test)):
        assert (part in parts.values()) == (share > 0)
        for label, size in sizes.items():
            there = sum(parts[group.name] == part for group in groups if group.label == label)
            assert there <= size * share + 1
    assert parts == assign(list(reversed(groups)), validation, test)


@given(groups=GROUPS, more=GROUPS, test=st.sampled_from([0.1, 0.5]))
def test_a_group_that_stays_stays(groups: list[Group], more: list[Group], test: float) -> None:
    before = assign(groups, 0.0, test)
    held = [Group(each.name, each.label, "test") for each in groups if before[each.name] == "test"]
    new = [each for each in more if each.name not in before]
    after = assign([*held, *(each for each in groups if before[each.name] != "test"), *new], 0.0, test)
    assert {each.name for each in held} <= {name for name, part in after.items() if part == "test"}
