"""What the texts of a pool are told: the time, chance, what the site says, and how numbers are read."""

from typing import Any

import pytest

from nm.calls import Describing
from nm.errors import Conflict, Invalid
from nm.poolbook import open_book
from nm.pools import keeping
from nm.records import Record
from tests.api.test_methods import NOW, Bench
from tests.pools.deployed import bring_up
from tests.pools.test_described import allow, pool, refused

INCLUDES = '#include "org/smartfrog/components.sf"\n#include "org/smartfrog/functions.sf"\n'
CHANCE = "x extends random { integer true; max 1000000; } y extends random; made extends date;"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def text(inside: str) -> str:
    return f"{INCLUDES}sfConfig extends Compound {{ {inside} }}"


def prim(name: str, inside: str = CHANCE) -> str:
    return f"{name} extends Prim {{ {inside} }} "


def at(bench: Bench, now: float) -> None:
    bench.api._clock = lambda: now


def plan(bench: Bench, inside: str, **options: Any) -> Record:
    found: Record = bench.call("PlanDescription", "pool", text(inside), {}, options)
    return found


def run(bench: Bench, inside: str, name: str = "pool", **options: Any) -> None:
    bench.call("ApplyDescription", name, text(inside), {}, options)
    bring_up(bench.memory, name, NOW)


def worth(bench: Bench, path: str = "a", name: str = "pool") -> dict[str, Any]:
    """What the attributes of a part are worth that is to be there, read anew from the records."""
    [part] = [one for one in keeping.target_parts(bench.store, pool(bench, name)) if one.path == (path,)]
    return {name: value for name, value in part.attributes.items() if name != "sfClass"}


# ---- time and chance


def test_they_are_the_same_each_time_that_the_text_of_a_pool_is_read(bench: Bench) -> None:
    at(bench, 1_796_107_272.25)
    run(bench, prim("a"))
    first = worth(bench)
    assert first["made"] == "Tue Dec 01 06:41:12 UTC 2026"
    at(bench, 1_796_200_000.0)
    assert worth(bench) == first
    assert plan(bench, prim("a"))["changes"] == []
    run(bench, prim("b", "z 1;") + prim("c") + prim("a"))  # so are they in what comes behind others
    assert worth(bench) == first
    assert worth(bench, "c")["made"] == first["made"]
    assert worth(bench, "c")["x"] != first["x"]


def test_each_call_has_its_own_chance_and_so_has_each_pool(bench: Bench) -> None:
    seen = set[Any]()
    for name, moment in (("one", 1_796_107_272.25), ("two", 1_796_107_272.5)):
        at(bench, moment)
        run(bench, prim("a") + prim("b"), name)
        seen |= {worth(bench, path, name)[word] for path in ("a", "b") for word in ("x", "y")}
    assert len(seen) == 8


def test_a_pool_that_is_planned_gets_what_the_plan_was_made_for(bench: Bench) -> None:
    """Also where chance decides how many components there are."""
    several = f"n extends random {{ integer true; max 1000000; }} {prim('a')}"
    at(bench, 1_796_107_272.25)
    found = plan(bench, several)
    assert found["hash"].endswith("@1796107272.25")
    at(bench, 1_796_107_999.0)
    assert plan(bench, several)["hash"] != found["hash"]
    run(bench, several, if_plan=found["hash"])
    assert worth(bench)["made"] == "Tue Dec 01 06:41:12 UTC 2026"
    assert pool(bench)["created"] == 1_796_107_999.0
    with refused(bench, Conflict, "another one"):
        bench.call("ApplyDescription", "pool", text(several), {}, {"if_plan": found["hash"]})


@pytest.mark.parametrize("moment", ["", "now", "-5", "1e9", "99999999999999", "1796107272.25 "])
def test_what_is_no_moment_is_no_plan(bench: Bench, moment: str) -> None:
    name = plan(bench, prim("a"))["hash"].partition("@")[0]
    with refused(bench, Conflict, "another one"):
        bench.call("ApplyDescription", "pool", text(prim("a")), {}, {"if_plan": f"{name}@{moment}"})


def test_a_text_that_asks_for_neither_has_one_plan_at_all_times(bench: Bench) -> None:
    before = plan(bench, prim("a", "x 1;"))["hash"]
    at(bench, NOW + 1000.0)
    assert plan(bench, prim("a", "x 1;"))["hash"] == before


def test_a_pool_of_before_is_told_when_its_text_was_applied(bench: Bench) -> None:
    run(bench, prim("a", "x 1;"))
    kept = bench.get("text_pool.1")
    old = {key: kept[key] for key in kept if key not in ("now", "environment", "decimals")}
    bench.store.transact(lambda tx: tx.put(old))
    at(bench, NOW + 1000.0)
    run(bench, prim("a", "made extends date;"))
    assert bench.get("text_pool.2")["now"] == NOW
    assert plan(bench, prim("a", "made extends date;"))["changes"] == []


# ---- what the site says


def test_the_environment_is_the_site_s_and_never_the_daemon_s(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    asked = prim("a", 'x ENVPROPERTY SITE; y IENVPROPERTY SIZE; z OPTIONAL ("no") ENVPROPERTY SECRET;')
    with refused(bench, Invalid, "there is no such environment variable"):
        run(bench, asked)
    allow(bench, Describing(environment={"SITE": "cern", "SIZE": "7"}))
    run(bench, asked)
    allow(bench, Describing())  # what the site says later changes nothing of it
    assert worth(bench) == {"x": "cern", "y": 7, "z": "no"}


# ---- while it runs

LATE = """s LAZY IPROPERTY size; e LAZY ENVPROPERTY SITE; c LAZY CONSTANT java.lang.Byte.MAX_VALUE;
    r extends random { sfFunctionLazy true; integer true; max 1000000; }
    m extends date { sfFunctionLazy true; }"""
SAID = Describing(properties={"size": "700"}, environment={"SITE": "cern"})


def followed(bench: Bench) -> list[Any]:
    """What is lazy in it is worth now."""
    tree = open_book(bench.store, "pool", lambda: 0.0).tree  # type: ignore[union-attr]  # it is there
    return [tree.value(("a",), name) for name in "secrm"]


def test_what_is_lazy_is_told_the_same(bench: Bench) -> None:
    at(bench, 1_796_107_272.25)
    allow(bench, SAID)
    run(bench, prim("a", LATE))
    allow(bench, Describing())
    first = followed(bench)
    assert (*first[:3], first[4]) == (700, "cern", 127, "Tue Dec 01 06:41:12 UTC 2026")
    at(bench, 1_796_200_000.0)
    assert isinstance(first[3], int) and followed(bench) == first
    assert plan(bench, prim("a", LATE))["changes"] == []


def test_what_counts_may_be_what_the_site_says_later(bench: Bench) -> None:
    """It is looked for when the description is handed in, and is there when its order goes."""
    domains = '#include "ch/cern/openlab/smartdomains/components.sf"\n'
    written = (
        f"{domains}sfConfig extends Domain {{ hostname LAZY PROPERTY name; memory LAZY IPROPERTY size; }}"
    )
    with refused(bench, Invalid, "memory leads nowhere: IPROPERTY size: there is no such property"):
        bench.call("ApplyDescription", "pool", written, {})
    allow(bench, Describing(properties={"size": "700", "name": "guest"}))
    bench.call("ApplyDescription", "pool", written, {})
    allow(bench, Describing())
    book = open_book(bench.store, "pool", lambda: 0.0)
    assert book is not None
    book.begin(keeping.target_parts(bench.store, book.pool), anew=True)
    brief = book.brief(book.part((), "construct"), "construct")
    assert (brief.attributes["hostname"], brief.attributes["memory"]) == ("guest", 700)


# ---- how numbers are read

READ = prim("a", "x 1.25;")


@pytest.fixture
def as_reference(bench: Bench) -> Bench:
    run(bench, READ, decimals="reference")
    return bench


def test_they_are_read_as_they_were_first(as_reference: Bench) -> None:
    assert worth(as_reference) == {"x": pytest.approx(1.2)}
    assert plan(as_reference, READ)["changes"] == []
    run(as_reference, READ + prim("b", "y 2.55;"))
    assert worth(as_reference, "b") == {"y": pytest.approx(2.5)}
    told = as_reference.call("GetDescription", "pool")["options"]
    assert told == {"decimals": "reference"}


def test_until_somebody_says_otherwise(as_reference: Bench) -> None:
    [change] = plan(as_reference, READ, decimals="double")["changes"]
    [difference] = change["differences"]
    assert (difference["old"], difference["new"]) == (pytest.approx(1.2), 1.25)
    run(as_reference, READ, decimals="double")
    assert worth(as_reference) == {"x": 1.25}
    assert as_reference.call("GetDescription", "pool")["options"] == {}


def test_there_are_two_ways_to_read_them(bench: Bench) -> None:
    with refused(bench, Invalid, "option decimals"):
        plan(bench, READ, decimals="single")
    with refused(bench, Invalid, "option decimals is not of type str"):
        plan(bench, READ, decimals=True)
