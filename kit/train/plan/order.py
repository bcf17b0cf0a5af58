"""Order the rows of an epoch so that the rows of a step share more. Pure; it draws no random numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kit.data.rows import Row
from kit.recipe import TrainSection


def arrange_rows(indices: Sequence[int], rows: Sequence[Row], section: TrainSection, taken_before: int) -> list[int]:
    """Return the shuffled rows of an epoch, unchanged or in `grouped` order; each step takes the next `batch_rows`.

    In grouped order, a step gets pieces of several groups: at most `group_rows` rows of each, as long as other groups
    have rows left. Pieces keep the order of the shuffle. `taken_before` counts the rows of earlier epochs.
    """
    if section.order == "exact":
        return list(indices)
    pieces = _pieces(indices, rows, section.group_rows)
    return list(_dealt(pieces, rows, section, section.batch_rows - taken_before % section.batch_rows))


def _pieces(indices: Sequence[int], rows: Sequence[Row], size: int) -> list[list[int]]:
    """Cut the rows of each group into pieces of at most `size`, in the order of their first rows."""
    pieces: list[list[int]] = []
    growing: dict[str, list[int]] = {}
    for index in indices:
        piece = growing.get(rows[index].group)
        if piece is None or len(piece) == size:
            piece = growing[rows[index].group] = []
            pieces.append(piece)
        piece.append(index)
    return pieces


def _dealt(pieces: list[list[int]], rows: Sequence[Row], section: TrainSection, room: int) -> Iterator[int]:
    """Fill each step with the next pieces whose group has not reached its share; the first step has `room` left."""
    taken: dict[str, int] = {}
    while pieces:
        shares = (section.group_rows - taken.get(rows[piece[0]].group, 0) for piece in pieces)
        at, share = next(((at, share) for at, share in enumerate(shares) if share > 0), (0, room))
        piece = pieces[at]
        now, piece[:] = piece[: min(share, room)], piece[min(share, room) :]
        if not piece:
            del pieces[at]
        yield from now
        group = rows[now[0]].group
        taken[group] = taken.get(group, 0) + len(now)
        room -= len(now)
        if not room:
            room, taken = section.batch_rows, {}
