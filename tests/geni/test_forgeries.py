"""Whatever is wrong with a call's credentials, it is refused for just that, with the right code."""

from pathlib import Path

import pytest

from nm.errors import Denied
from nm.geni.codes import Code, code_of
from tests.geni import reference
from tests.geni.forged_documents import DOCUMENTS, with_key_value
from tests.geni.forgeries import CLAIMS
from tests.geni.forgery import Forgery
from tests.geni.reference import Reference
from tests.geni.world import ALICE, BOB, LAB, MALLORY, Call, call, passed


def test_what_the_forgeries_are_made_from_is_good() -> None:
    assert Call().judged().owner.urn == ALICE.urn
    assert call(passed(), client=BOB).judged().owner.urn == BOB.urn


ALL = {**CLAIMS, **DOCUMENTS}


@pytest.mark.parametrize("forgery", ALL.values(), ids=ALL)
def test_a_forgery_is_refused(forgery: Forgery) -> None:
    made = forgery.make()
    with pytest.raises(forgery.error, match=forgery.reason) as caught:
        made.judged()
    expected = Code.FORBIDDEN if forgery.error is Denied else Code.BADARGS
    assert code_of(caught.value) == expected
    assert caught.value.hint


@reference.needed
def test_the_key_in_key_value_deceives_the_reference_and_not_us(tmp_path: Path) -> None:
    forged = with_key_value(LAB)
    assert Reference(tmp_path).accepts(forged)
    assert not Reference(tmp_path).accepts(forged, "--enabled-key-data", "x509")
    with pytest.raises(Denied, match="does not hold"):
        call(forged, client=MALLORY).judged()
