"""The conformance suite: every case of conformance/ means what it says there, or is refused."""

from itertools import groupby

import pytest

from nm.descriptions.problems import Flawed
from tests.descriptions.conformance import Case, cases

CASES = cases()
SENTENCES = {
    f"{file}: {sentence}": list(group)
    for (file, sentence), group in groupby(CASES, lambda case: (case.place.partition(":")[0], case.sentence))
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence(sentence: str) -> None:
    assert list(filter(None, map(_failure, SENTENCES[sentence]))) == []


def _failure(case: Case) -> str:
    meaning, mistake = case.outcome()
    if (meaning, mistake) == (case.meaning, case.mistake):
        return ""
    return f"{case.place}: {case.text} is {meaning if mistake is None else mistake}"


def test_every_mistake_has_its_place_its_line_and_what_to_do() -> None:
    bare = []
    for case in CASES:
        if case.mistake is not None:
            with pytest.raises(Flawed) as caught:
                case.stage()
            for problem in caught.value.problems:
                line = problem.mark and problem.mark.source.line(problem.mark.offset).strip()
                if not problem.advice or problem.mark is None or (line and "^" not in str(problem)):
                    bare.append(f"{case.place}: {problem}")
    assert bare == []


def test_there_are_a_thousand_and_each_is_there_once() -> None:
    assert len(CASES) >= 1000
    told = [
        (case.description(), case.phase, case.now, case.decimals,
         str((case.files, case.properties, case.environment)))
        for case in CASES
    ]  # fmt: skip
    assert len(set(told)) == len(told)
    assert len(SENTENCES) == len({(case.place.partition(":")[0], case.sentence) for case in CASES})


def test_a_case_that_is_otherwise_is_told() -> None:
    case = Case("here:1", "sums", "a (1 + 1);", meaning="a 3;")
    assert _failure(case) == "here:1: a (1 + 1); is a 2;"
    case = Case("here:1", "sums", "a (1 +);", meaning="a 3;")
    assert _failure(case) == "here:1: a (1 +); is ) is no value"
