"""The advertisement that is remembered: the same as one that is written now, never older than a change."""

import pytest

from nm import pool
from nm.geni.noticeboard import FORMS, Noticeboard
from nm.geni.rspec import texts
from tests import idle
from tests.federation.guests import Door
from tests.geni.lab import asked, rspec
from tests.memory_store import MemoryStore


@pytest.fixture
def door() -> Door:
    store = MemoryStore()
    idle.add_nodes(store, range(3))
    store.transact(lambda tx: pool.register_vlan(tx, idle.CALL, 101))
    return Door(store)


def free(text: str) -> int:
    return text.count('<available now="true"/>')


def test_it_is_written_once_for_each_form(door: Door) -> None:
    board, visit = Noticeboard(door.store), door.visit("ListResources")
    forms = [(only_free, compressed) for only_free in (False, True) for compressed in (False, True)]
    first = [board.advertisement(visit, *form) for form in forms]
    assert all(board.advertisement(visit, *form) is text for form, text in zip(forms, first, strict=True))
    assert texts.decompress(first[1]) == first[0]


def test_who_has_changed_something_is_told_of_it(door: Door) -> None:
    board = Noticeboard(door.store)
    assert free(board.advertisement(door.visit("ListResources"), False, False)) == 3
    door.allocate(rspec(asked("one"), asked("two")))
    assert free(board.advertisement(door.visit("ListResources"), False, False)) == 1
    assert free(board.advertisement(door.visit("ListResources"), True, False)) == 1


def test_other_rules_are_another_advertisement(door: Door) -> None:
    board = Noticeboard(door.store)
    text = board.advertisement(door.visit("ListResources"), False, False)
    board.forget()
    assert board.advertisement(door.visit("ListResources"), False, False) is not text
    for number in range(2 * FORMS):
        other = door.with_rules(aggregate=type(door.rules.aggregate)(f"site{number}.example", "https://a"))
        assert f"site{number}.example+node+n0" in board.advertisement(
            other.visit("ListResources"), False, False
        )
    assert len(board._kept) <= FORMS
