"""How long slivers last, and how many somebody may have: what the site's rules say of a wish. Pure."""

from collections.abc import Collection

from nm.counted import counted
from nm.errors import Invalid
from nm.federation import marks
from nm.federation.visits import Visit
from nm.geni import times
from nm.geni.refusals import Refused
from nm.groupvalues import LAST_SECOND
from nm.records import Record
from nm.store import Reader


def latest(visit: Visit) -> int:
    """The last end that may be had: the credential's, the site's, or that of all times."""
    ends = [LAST_SECOND, visit.guest.expires]
    if visit.rules.longest is not None:
        ends.append(visit.now + visit.rules.longest)
    return int(min(end for end in ends if end is not None))


def end(visit: Visit, wish: float | None, default: float) -> int:
    """The end that is given: a wish is cut, and without one it is `default`, cut as well."""
    if wish is not None:
        check_future(visit, wish)
    return min(int(default if wish is None else wish), latest(visit))


def check_future(visit: Visit, wish: float) -> None:
    """Invalid when that time has passed, or is about to."""
    if int(wish) <= visit.now:
        raise Invalid(
            "the end that is asked for is not in the future", f"it is {times.render(visit.now)} here"
        )


def renewed(visit: Visit, until: float, cut: bool) -> int:
    """The end that is given when it must be just that. Invalid when it cannot be had, and may not be cut."""
    check_future(visit, until)
    bound = latest(visit)
    if until > bound and not cut:
        raise Invalid(
            f"the end may be {times.render(bound)} at the latest",
            "ask for an earlier one, or for as long as possible; a later credential may allow more",
        )
    return min(int(until), bound)


def check_limits(reader: Reader, visit: Visit, group: Record | None, more: Collection[str]) -> None:
    """Refused when the slice, or the person, would have more than the site allows."""
    rules, mine = visit.rules, len(marks.all_of(group)) if group is not None else 0
    _check("a slice", rules.nodes_a_slice, mine + len(more), "node")
    if rules.slices_a_person is None and rules.nodes_a_person is None:
        return
    person = visit.guest.urn if group is None else _user(group)  # whoever made the slice answers for it
    others = [one for one in marks.reservations(reader) if _user(one) == person and one != group]
    _check("one person", rules.slices_a_person, len(others) + 1, "slice")
    nodes = sum(len(marks.all_of(one)) for one in others) + mine + len(more)
    _check("one person", rules.nodes_a_person, nodes, "node")


def _user(group: Record) -> str:
    return str(group["federation"]["user"]["urn"])


def _check(who: str, most: int | None, count: int, what: str) -> None:
    if most is not None and count > most:
        raise Refused(
            f"{who} may have {counted(most, what)} here, this makes {count}",
            "delete what is not used any more",
        )
