"""The face of the compiler: `compile`, the phases it goes through, and what comes out.

raw       the text as written, includes spliced in       type      prototypes have given their attributes
place     attributes are where their paths lead          function  functions and schemas are recognized
sfConfig  what is to be deployed is chosen               link      references are followed
compile   one plain tree
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

from nm.descriptions.collection import uncollected
from nm.descriptions.components import Piece, pieces, plain
from nm.descriptions.construction import construct_functions
from nm.descriptions.finding import LazyMet
from nm.descriptions.limits import Budget, Limits
from nm.descriptions.linking import Linker
from nm.descriptions.literals import Decimals
from nm.descriptions.placement import place_attributes
from nm.descriptions.printer import text_of
from nm.descriptions.problems import Flawed, Problem, Unresolved
from nm.descriptions.prototypes import resolve_prototypes
from nm.descriptions.reading import Reader
from nm.descriptions.result import Converter, weight
from nm.descriptions.surroundings import Surroundings
from nm.descriptions.values import Attribute, Component, Part, Reference, Scope, State, Value, Vector

Phase = Literal["raw", "type", "place", "function", "sfConfig", "link", "compile"]
PHASES: tuple[Phase, ...] = get_args(Phase)
ORDER = ("type", "place", "function", "sfConfig", "link")
PHASE_LIST = "phaseList"
CONFIG = Reference((Part("HERE", "sfConfig"),))
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Description:
    """A description that holds together.

    tree: what is to be deployed. steps: what compiling it took. warnings: what is probably not meant so.
    timed: whether it asked for the time, or for chance.
    """

    name: str
    tree: Component
    steps: int
    warnings: tuple[Problem, ...] = ()
    timed: bool = False

    def text(self) -> str:
        """The tree in canonical form, a description itself: compiled again it stays as it is."""
        return text_of(Component({"sfConfig": Attribute(self.tree)}))

    def plain(self) -> dict[str, Value]:
        """The tree of builtin types that `components.plain` tells of."""
        return plain(self.tree)

    def pieces(self) -> list[Piece]:
        """The components to be deployed, in the order in which they are made."""
        return pieces(self.tree)


def compile(  # noqa: A001 (what it does; callers say compiler.compile)
    name: str,
    text: str,
    files: Mapping[str, str] = NOTHING,
    limits: Limits | None = None,
    *,
    library: Mapping[str, str] = NOTHING,
    surroundings: Surroundings | None = None,
    decimals: Decimals = "double",
) -> Description:
    """The description that a text means.

    name: for errors. files: the texts that it includes, by the names under which it does. Raises Flawed.
    """
    with _run(name, text, files, limits, library, surroundings, decimals) as run:
        return Description(name, run.compiled(), run.budget.steps, run.warnings(), run.timed)


@dataclass(frozen=True)
class Stage:
    """A description as it stands behind a phase: the whole file, or sfConfig alone once it is `chosen`."""

    tree: Component
    chosen: bool

    def text(self) -> str:
        """It as a description."""
        return text_of(Component({"sfConfig": Attribute(self.tree)}) if self.chosen else self.tree)

    def plain(self) -> dict[str, Value]:
        """It in builtin types, as `components.plain` tells."""
        return plain(self.tree)


def behind(
    name: str,
    text: str,
    phase: Phase,
    files: Mapping[str, str] = NOTHING,
    limits: Limits | None = None,
    *,
    library: Mapping[str, str] = NOTHING,
    surroundings: Surroundings | None = None,
    decimals: Decimals = "double",
) -> Stage:
    """The same text as it is behind a phase. Raises Flawed."""
    with _run(name, text, files, limits, library, surroundings, decimals) as run:
        return run.behind(phase)


@contextmanager
def _run(
    name: str,
    text: str,
    files: Mapping[str, str],
    limits: Limits | None,
    library: Mapping[str, str],
    surroundings: Surroundings | None,
    decimals: Decimals,
) -> Iterator["_Run"]:
    with uncollected():
        run = _Run(name, text, files, limits or Limits(), library, surroundings or Surroundings(), decimals)
        try:
            yield run
        finally:
            run.let_go()


class _Run:
    """One way through the phases."""

    def __init__(
        self,
        name: str,
        text: str,
        files: Mapping[str, str],
        limits: Limits,
        library: Mapping[str, str],
        surroundings: Surroundings,
        decimals: Decimals,
    ) -> None:
        self._name, self._text = name, text
        self.budget = Budget(limits)
        self._root = Scope(Component())
        self._texts = surroundings.texts()
        self._reader = Reader(files, library, self.budget, decimals)
        self._converter = Converter(self.budget)
        self._linker = Linker(self.budget, self._reader, surroundings, self._converter)

    def compiled(self) -> Component:
        """All phases, and the tree that comes of them."""
        try:
            return self._compiled()
        except Unresolved as error:
            raise self._flawed(error.problem) from None

    def behind(self, phase: Phase) -> Stage:
        """The phases up to that one, and what there is then."""
        if phase == "link":
            self._converter = Converter(self.budget, temporary=True)
        if phase in {"link", "compile"}:
            return Stage(self.compiled(), chosen=True)
        try:
            scope = self._through(phase)
            self.budget.weigh(weight(scope.component, self.budget))
        except Unresolved as error:
            raise self._flawed(error.problem) from None
        return Stage(scope.component, scope.parent is not None)

    def warnings(self) -> tuple[Problem, ...]:
        """What is no mistake, and probably not meant so."""
        return self._linker.vocabulary.warnings(self.budget.limits.problems)

    @property
    def timed(self) -> bool:
        """Whether it asked for the time, or for chance."""
        return self._linker.timed

    def let_go(self) -> None:
        """Scopes hold each other: cut them apart, so that the collector has nothing to do for them later."""
        waiting = [self._root]
        while waiting:
            values = waiting.pop().values
            waiting.extend(value for value in values.values() if isinstance(value, Scope))
            values.clear()

    def _flawed(self, problem: Problem) -> Flawed:
        """The mistake that ended it, behind those that reading had found when it reached a limit."""
        return Flawed([*self._reader.findings.problems, problem])

    def _compiled(self) -> Component:
        made = self._converter.component(self._through("compile"))
        return Component(made.attributes, [], data=False, mark=made.mark, state=State.DONE)

    def _through(self, last: Phase) -> Scope:
        """The scope in hand behind that phase: the file's, or sfConfig's once it is chosen."""
        scope = self._root = Scope(self._reader.read(self._name, self._text))
        for phase in self._phases(scope) if last != "raw" else ():
            scope = self._phase(phase, scope)
            if phase == last:
                break
        return scope

    def _phase(self, phase: str, scope: Scope) -> Scope:
        if phase == "type":
            resolve_prototypes(scope, self.budget, self._texts)
        elif phase == "place":
            place_attributes(scope, self.budget, self._texts)
        elif phase == "function":
            scope = Scope(construct_functions(scope.component, self.budget), scope.parent, scope.name)
            self._root = self._root if scope.parent else scope
        elif phase == "sfConfig":
            return self._chosen(scope)
        elif phase == "link":
            self._linker.link(scope)
            self._linker.findings.settle()
        else:
            self._refuse_phase(phase, scope.component)
        return scope

    def _chosen(self, scope: Scope) -> Scope:
        try:
            chosen = self._linker.follow(scope, CONFIG)
        except LazyMet:
            chosen = None
        except Unresolved as error:
            if "sfConfig" in scope.component.attributes:
                raise
            hint = "write sfConfig extends Compound { ... } around what is to be deployed"
            raise type(error)(Problem("there is no sfConfig", hint, scope.component.mark)) from None
        if not isinstance(chosen, Scope):
            mark = scope.component.attributes["sfConfig"].mark
            raise Unresolved(
                Problem("sfConfig is no component", "write sfConfig extends Compound { ... }", mark)
            )
        return chosen

    def _phases(self, scope: Scope) -> tuple[str, ...]:
        """The phases to go through; the file may name others by phaseList."""
        attribute = scope.component.attributes.pop(PHASE_LIST, None)
        if attribute is None:
            return ORDER
        value = attribute.value
        if not isinstance(value, Vector) or not all(isinstance(phase, str) for phase in value):
            raise Unresolved(
                Problem(f"{PHASE_LIST} is no list of names", 'write [| "type", ... |]', attribute.mark)
            )
        return tuple(value)

    def _refuse_phase(self, phase: str, root: Component) -> None:
        """A phase of the description's own does nothing, unless a component has a class of its own for it."""
        seen: set[int] = set()
        waiting = [root]
        while waiting:
            component = waiting.pop()
            for key, attribute in component.attributes.items():
                self.budget.step()
                if isinstance(key, str) and key.startswith(f"phase.{phase}"):
                    hint = "nm runs no classes of others; remove it"
                    raise Unresolved(Problem(f"{key} wants a phase of its own", hint, attribute.mark))
                if isinstance(attribute.value, Component) and id(attribute.value) not in seen:
                    seen.add(id(attribute.value))
                    waiting.append(attribute.value)
