"""The phase type: every component gets the attributes of its prototypes.

Prototypes give their attributes from right to left: what stands further right wins, by name and not deep. A
prototype is looked for from the component itself, so in its own attributes first; it is resolved whole where
it stands, then what it has is shared. The whole file is resolved, used or not.
"""

from nm.descriptions.finding import Finder, LazyMet, Texts
from nm.descriptions.limits import Budget, Exceeded
from nm.descriptions.printer import reference_text
from nm.descriptions.problems import Findings, Mark, Problem, Unresolved, Wrong
from nm.descriptions.values import Attribute, Component, Function, Key, Reference, Scope, State, spoken

FINAL, OVERRIDE = "sfFinal", "sfOverride"


def resolve_prototypes(root: Scope, budget: Budget, outside: Texts) -> None:
    """Resolve all prototypes below; raises Flawed with every mistake that was found."""
    resolver = _Prototypes(budget, outside)
    resolver.settle(root)
    resolver.findings.settle()


class _Prototypes(Finder):
    def __init__(self, budget: Budget, outside: Texts) -> None:
        super().__init__(budget, outside)
        self.findings = Findings(budget.limits.problems)

    def settle(self, scope: Scope) -> None:
        """Resolve a component and all that is inside it."""
        component = scope.component
        if component.state is State.DONE:
            return
        if component.state in {State.INHERITING, State.OPEN}:
            hint = "a prototype must not need what is made of it; move one of them out of the other"
            raise Wrong(Problem(f"{scope.path()} is its own prototype", hint))
        self._inherit(scope)
        component.state = State.OPEN
        self.budget.down()
        try:
            self._settle_inside(scope)
        finally:
            self.budget.up()
        component.state = State.DONE

    def _settle_inside(self, scope: Scope) -> None:
        attributes = scope.component.attributes
        self.budget.step(len(attributes))
        for name, attribute in list(attributes.items()):
            inner = attribute.value.component if isinstance(attribute.value, Function) else attribute.value
            if isinstance(inner, Component) and inner.state is not State.DONE:
                self.settle(scope.below(inner, name))

    def missing(self, scope: Scope, name: str, upwards: bool) -> bool:
        """A component may still be about to inherit what is looked for."""
        look: Scope | None = scope
        while look is not None:
            if look.component.state is State.RAW and look.component.prototypes:
                self._inherit(look)
                return True
            look = look.parent if upwards else None
        return False

    def _inherit(self, scope: Scope) -> None:
        """Take over the attributes of the prototypes, from right to left."""
        component = scope.component
        if component.state is not State.RAW:
            return
        component.state = State.INHERITING
        owed = _overrides(component.attributes)
        while component.prototypes:
            prototype = component.prototypes.pop()
            if isinstance(prototype, Component):
                given = prototype.attributes
                owed -= given.keys()
                owed |= _overrides(given)
                self._take(scope, given, component.mark)
            elif (found := self._found(scope, *prototype)) is not None:
                found.share()
                owed -= found.attributes.keys()
                self._take(scope, found.attributes, prototype[1])
        component.state = State.INHERITED
        for key in sorted(map(spoken, owed)):
            hint = "no prototype has it: correct the name, or remove [sfOverride]"
            self._note(Problem(f"{key} overrides nothing", hint), component.mark, scope)

    def _take(self, scope: Scope, given: dict[Key, Attribute], mark: Mark | None) -> None:
        own = scope.component.attributes
        self.budget.step(len(given))
        taken = dict(given)
        for key, attribute in own.items():
            before = taken.get(key)
            tags = attribute.tags
            if before is not None and before.tags:
                tags |= before.tags
                self.budget.step(len(tags))
                if FINAL in before.tags:
                    hint = "its prototype says [sfFinal]; leave it as it is"
                    self._note(
                        Problem(f"{spoken(key)} may not be changed", hint), attribute.mark or mark, scope
                    )
            taken[key] = attribute if tags is attribute.tags else attribute._replace(tags=tags)
        scope.component.attributes = taken

    def _found(self, scope: Scope, reference: Reference, mark: Mark) -> Component | None:
        """The component that a prototype is, resolved; None when it is none, which is then noted."""
        said = reference_text(reference)
        self.budget.down()
        try:
            found = self.follow(scope, reference)
            if not isinstance(found, Scope):
                raise Wrong(Problem(f"{said} is no component", "only a component can be a prototype"))
            self.settle(found)
        except Exceeded as error:
            raise error.at(mark, scope.path()) from None
        except LazyMet:
            self._note(Problem(f"{said} is lazy", "a prototype must be known now"), mark, scope)
        except Unresolved as error:
            self._note(error.problem, mark, scope)
        else:
            return found.component
        finally:
            self.budget.up()
        return None

    def _note(self, problem: Problem, mark: Mark | None, scope: Scope) -> None:
        self.findings.add(problem.at(mark, scope.path()))


def _overrides(attributes: dict[Key, Attribute]) -> set[Key]:
    """The names that only make sense where a prototype has them; paths are looked at when they are placed."""
    return {key for key, item in attributes.items() if OVERRIDE in item.tags and isinstance(key, str)}
