"""What a forgery is, in the tables of these tests: a call, and why it is to be refused."""

from collections.abc import Callable
from dataclasses import dataclass

from nm.errors import Denied, NMError
from tests.geni.world import Call


@dataclass(frozen=True)
class Forgery:
    make: Callable[[], Call]
    reason: str  # found in what the refusal says
    error: type[NMError] = Denied
