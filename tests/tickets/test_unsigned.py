"""What administrators give without a signature: an answer of GetSlivers, and nothing else."""

import pytest

from nm import marshal, tickets
from nm.errors import Invalid, NMError
from tests.tickets.signers import NOW, SLIVER, payload


def text(value: object) -> str:
    return marshal.answer(value).decode()


def test_any_number_of_slivers() -> None:
    for count in (0, 1, 50):
        reply = {"timestamp": NOW, "node_id": 1, "unknown": [None, 1.5, True], "slivers": [SLIVER] * count}
        assert tickets.unsigned(text(reply)) == reply


@pytest.mark.parametrize(
    "given",
    [
        "",
        "slivers",
        text(1),
        text([]),
        text({"timestamp": NOW}),
        text({"slivers": [{}]}),
        marshal.fault(104, "no").decode(),
        payload().decode().replace("methodResponse", "methodCall"),
        payload()
        .decode()
        .replace("methodResponse", "methodCall")
        .replace("<params>", "<methodName>x</methodName><params>"),
        "<params><param><value><int>1</int></value></param></params>",
        "<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + payload().decode().partition("\n")[2],
        "<methodResponse><params><param>" + "<value><array><data>" * 40,
        payload().decode()[:-30],
        "\ud800",
    ],
)
def test_what_is_none(given: str) -> None:
    with pytest.raises(NMError) as caught:
        tickets.unsigned(given)
    assert isinstance(caught.value, Invalid) and caught.value.hint
