"""The worker of a pool of which no part needs a host, turn by turn; killed where that could matter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pools.lifetime import Lifetime, site

CORE = '#include "org/smartfrog/predicates.sf"\n'


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Lifetime]:
    made = Lifetime(tmp_path, site())
    yield made
    made.close()


def run(here: Lifetime, inside: str) -> None:
    job = here.run(here.apply("web", f"{CORE}sfConfig extends Compound {{ {inside} }}"))
    assert (job["state"], job["error"]) == ("done", None)


def test_what_is_set_may_break_no_assertion(here: Lifetime) -> None:
    run(here, "a extends Prim { v 3; } b extends Prim { s extends Assertions { ok (LAZY a:v > 2); } }")
    job = here.run(here.set("web", "a:v", 1))
    assert (job["state"], "b: the assertion ok does not hold" in job["error"]["text"]) == ("failed", True)
    pool = here.pool("web")
    assert pool is not None and (pool["state"], pool["set"]) == ("running", [])
    job = here.run(here.set("web", "a:v", 4))
    assert (job["state"], job["error"]) == ("done", None)
