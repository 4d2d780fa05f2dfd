"""Alarms against the plain way: a dict that is searched."""

from hypothesis import given
from hypothesis import strategies as st

from nm.alarms import Alarms

Times = st.none() | st.integers(0, 5).map(float)


@given(st.lists(st.tuples(st.sampled_from("abcd"), Times, st.integers(0, 5))))
def test_what_is_due_is_what_was_set_last(changes: list[tuple[str, float | None, int]]) -> None:
    alarms, plain = Alarms[str](), dict[str, float]()
    for key, at, now in changes:
        alarms.set(key, at)
        plain.pop(key, None)
        if at is not None:
            plain[key] = at
        assert alarms.next == min(plain.values(), default=None)
        assert alarms.due(now) == [
            key for at, key in sorted((at, key) for key, at in plain.items()) if at <= now
        ]
        assert set(alarms) == set(plain) and all(key in alarms for key in plain)
