"""The garbage collector stands still while descriptions are compiled, in any thread, and goes on then."""

import gc
import threading

import pytest

from nm.descriptions.collection import uncollected
from nm.descriptions.compiler import compile as compile_description
from nm.descriptions.linking import Surroundings
from nm.descriptions.problems import Flawed
from tests.descriptions.say import FUNCTIONS, LIBRARY


def test_it_stands_still_while_a_description_is_compiled_and_goes_on() -> None:
    seen = []

    def chance() -> float:
        seen.append(gc.isenabled())
        return 0.5

    text = f"{FUNCTIONS} sfConfig extends {{ a extends random; }}"
    assert gc.isenabled()
    compile_description("t", text, library=LIBRARY, surroundings=Surroundings(chance=chance))
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
