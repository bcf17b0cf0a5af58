"""Arranges the rows of an epoch so that optimiser steps share more. Pure, and without randomness of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kit.data.rows import Row
from kit.recipe import TrainSection


def arranged(indices: Sequence[int], rows: Sequence[Row], section: TrainSection, begun: int) -> list[int]:
    """Return an epoch's shuffled rows as they are, or in `grouped` order; optimiser steps take `batch_rows` in turn.

    Grouped, a step gets pieces of several groups, at most `group_rows` rows of each as long as others have rows left;
    where a group's rows come in the shuffle decides when its pieces do. `begun` rows were taken before this epoch.
    """
    if section.order == "exact":
        return list(indices)
    pieces = _pieces(indices, rows, section.group_rows)
    return list(_dealt(pieces, rows, section, section.batch_rows - begun % section.batch_rows))


def _pieces(indices: Sequence[int], rows: Sequence[Row], size: int) -> list[list[int]]:
    """Cut each group's rows into pieces of at most `size`, in the order in which the pieces begin."""
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
    """Fill step after step with the next piece whose group has not had its share; the first step has `room` left."""
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
