"""The compiler, which shares and computes on demand, against a plain restatement that copies and replaces."""

import pytest

from nm.descriptions.compiler import PHASES, Phase, behind
from nm.descriptions.problems import Flawed
from tests.descriptions import plain, sound, tangle
from tests.descriptions.say import EXAMPLES, LIBRARY

# Prototypes within what has still to inherit: nm finds them, so a later phase tells another mistake.
LATER = ("type", "place")


def _compiled(text: str, phase: Phase = "compile") -> str | None:
    try:
        return behind("t.sf", text, phase, library=LIBRARY).text()
    except Flawed:
        return None


def _failing(text: str) -> Phase:
    return next(phase for phase in PHASES if _compiled(text, phase) is None)


def _plainly(text: str) -> tuple[str | None, str]:
    try:
        return plain.meaning(text), ""
    except plain.Mistake as mistake:
        return None, mistake.phase


@pytest.mark.no_cover
@pytest.mark.parametrize("first", range(0, 20 * EXAMPLES, 4 * EXAMPLES))
def test_what_is_tangled(first: int) -> None:
    good = 0
    for seed in range(first, first + 4 * EXAMPLES):
        text = tangle.description(seed)
        meant, phase = _plainly(text)
        compiled = _compiled(text)
        assert compiled == meant, text
        if compiled is None:
            told = _failing(text)
            assert told == phase or (phase, told) == LATER, text
        good += meant is not None
    assert good > EXAMPLES / 10


@pytest.mark.no_cover
def test_what_holds_together() -> None:
    for seed in range(EXAMPLES):
        text = sound.description(seed)
        assert (_compiled(text), "") == _plainly(text), text
