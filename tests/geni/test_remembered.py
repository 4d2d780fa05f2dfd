"""What is remembered of credentials: nothing that changes with time, site or caller."""

import pytest

from nm.errors import Denied
from nm.geni import credentials
from nm.geni.certificates import Trust
from tests.geni.world import DAY, LAB, MALLORY, NOW, OTHER, SIGNER, call, edited, issued, replaced


def test_a_credential_that_was_good_is_read_once() -> None:
    made = call(issued())
    made.judged()
    before = credentials.parse.cache_info().hits
    made.judged()
    assert credentials.parse.cache_info().hits == before + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"now": NOW + 2 * DAY},  # it has ended
        {"trust": Trust(OTHER.chain)},  # its root counts no more
        {"client": MALLORY},  # another calls with it
        {"target": "urn:publicid:IDN+lab:proj+slice+two"},
        {"trust": Trust((LAB.chain[0], OTHER.chain[0]), shortest_rsa=4096)},
    ],
)
def test_what_else_a_call_needs_is_looked_at_each_time(changes: dict[str, object]) -> None:
    made = call(issued())
    made.judged()
    with pytest.raises(Denied):
        made.but(**changes).judged()
    made.judged()


def test_sha1_that_counts_no_more() -> None:
    made = call(issued(sha1=True), trust=Trust((LAB.chain[0], OTHER.chain[0]), sha1=True))
    made.judged()
    with pytest.raises(Denied, match="SHA-1"):
        made.but(trust=Trust((LAB.chain[0], OTHER.chain[0]))).judged()


def test_a_good_one_lends_nothing_to_one_that_was_altered() -> None:
    text, longer = issued(), ("<expires>2030", "<expires>2031")
    call(text).judged()
    for altered in (replaced(text, longer), edited(text, longer, signer=MALLORY)):
        for _ in range(2):  # what was refused is not remembered as good either
            with pytest.raises(Denied):
                call(altered).judged()
    call(edited(text, longer, signer=SIGNER)).judged()
