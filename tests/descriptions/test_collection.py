"""The garbage collector stands still while descriptions are compiled, in any thread, and goes on then."""

import gc
import threading

import pytest

from nm.descriptions.collection import uncollected
from nm.descriptions.compiler import compile as compile_description
from nm.descriptions.problems import Flawed
from nm.descriptions.surroundings import Surroundings


def test_it_stands_still_while_a_description_is_compiled_and_goes_on() -> None:
    seen = []

    class Properties(dict[str, str]):
        def get(self, _name: str, _default: object = None) -> str:
            seen.append(gc.isenabled())
            return "x"

    assert gc.isenabled()
    given = Surroundings(properties=Properties())
    compile_description("t", "sfConfig extends { a PROPERTY b; }", surroundings=given)
    assert (seen, gc.isenabled()) == ([False], True)


def test_it_goes_on_after_a_mistake() -> None:
    with pytest.raises(Flawed):
        compile_description("t", "sfConfig extends nowhere;")
    assert gc.isenabled()


def test_the_last_of_several_threads_lets_it_go_on() -> None:
    begun, ended = threading.Event(), threading.Event()

    def longer() -> None:
        with uncollected():
            begun.set()
            ended.wait()

    other = threading.Thread(target=longer)
    with uncollected():
        other.start()
        begun.wait()
    try:
        assert not gc.isenabled()
    finally:
        ended.set()
        other.join()
    assert gc.isenabled()


def test_it_is_left_alone_where_it_was_off() -> None:
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
