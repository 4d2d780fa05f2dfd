"""The phase place: an attribute whose name is a path moves to where the path leads.

A path is that of names below the component that holds the attribute, and goes through links. Depth first, in
the order of the attributes, again until nothing moves any more; what is left then is a mistake, in unused
prototypes too.
"""

from dataclasses import replace

from nm.descriptions.finding import Finder, LazyMet, Texts
from nm.descriptions.limits import Budget, Exceeded
from nm.descriptions.problems import Findings, Problem, Unresolved
from nm.descriptions.prototypes import FINAL, OVERRIDE
from nm.descriptions.values import Attribute, Component, Function, Part, Reference, Scope, inside, spoken

Path = tuple[str, ...]


def place_attributes(root: Scope, budget: Budget, outside: Texts) -> None:
    """Place all that is to be placed; raises Flawed with what could not be."""
    placer = _Placer(root, budget, outside)
    while placer.round(root):
        pass
    placer.findings.settle()


class _Placer(Finder):
    def __init__(self, root: Scope, budget: Budget, outside: Texts) -> None:
        super().__init__(budget, outside)
        self.findings = Findings(budget.limits.problems)
        # Components with attributes to be placed somewhere inside. They are kept, so that ids stay theirs.
        self._unplaced: dict[int, Component] = {}
        self._seen: dict[int, Component] = {}
        self._look(root.component)

    def round(self, root: Scope) -> bool:
        """Go over the tree once; whether another round may move more."""
        self.findings.problems.clear()
        self._moved = self._left = False
        self._visit(root)
        return self._moved and self._left

    def _look(self, component: Component) -> bool:
        """Whether there is something to be placed in there; each shared component is looked at once."""
        if id(component) in self._seen:
            return id(component) in self._unplaced
        self._seen[id(component)] = component
        self.budget.step(1 + len(component.attributes))
        self.budget.down()
        found = False
        for key, attribute in component.attributes.items():
            if isinstance(key, tuple):
                found = True
            if (inner := inside(attribute.value)) is not None and self._look(inner):
                found = True
        self.budget.up()
        if found:
            self._unplaced[id(component)] = component
        return found

    def _visit(self, scope: Scope) -> None:
        component = self._own(scope)
        self.budget.down()
        for key in list(component.attributes):
            attribute = component.attributes.get(key)
            self.budget.step()
            if attribute is None:
                continue
            if isinstance(key, tuple):
                if self._place(scope, key, attribute):
                    del component.attributes[key]
            elif (inner := inside(attribute.value)) is not None and id(inner) in self._unplaced:
                self._visit(scope.below(inner, key))
        self.budget.up()

    def _place(self, scope: Scope, path: Path, attribute: Attribute) -> bool:
        """Move the attribute; False when its place is not there, or not yet."""
        name = path[-1]
        try:
            found = self.follow(scope, Reference(tuple(Part("HERE", step) for step in path[:-1])))
            if not isinstance(found, Scope):
                raise Unresolved(
                    Problem(f"{spoken(path[:-1])} is no component", "only components take attributes")
                )
        except Exceeded:
            raise
        except LazyMet:
            self._note(
                Problem(f"{spoken(path)} cannot be placed through a lazy link", "name its place"),
                attribute,
                scope,
            )
            return False
        except Unresolved as error:
            said = f"{spoken(path)} cannot be placed: {error.problem.message.removeprefix('HERE ')}"
            self._note(replace(error.problem, message=said, mark=None, where=""), attribute, scope)
            return False
        target = self._own(found)
        self._put(target, name, attribute, found)
        self._moved = True
        return True

    def _put(self, target: Component, name: str, attribute: Attribute, place: Scope) -> None:
        before = target.attributes.get(name)
        if before is not None and FINAL in before.tags:
            hint = "it is [sfFinal]; leave it as it is"
            raise Unresolved(Problem(f"{name} may not be changed", hint).at(attribute.mark, place.path()))
        if before is None and OVERRIDE in attribute.tags:
            hint = "there is none of that name: correct it, or remove [sfOverride]"
            raise Unresolved(Problem(f"{name} overrides nothing", hint).at(attribute.mark, place.path()))
        tags = attribute.tags | before.tags if before is not None else attribute.tags
        self.budget.step(len(tags))
        target.attributes[name] = attribute._replace(tags=tags)
        if (inner := inside(attribute.value)) is not None and self._look(inner):
            self._left = (
                True  # it has attributes to be placed, and may stand where this round has been already
            )
            around: Scope | None = place
            while around is not None:
                self._unplaced[id(around.component)] = around.component
                around = around.parent

    def _own(self, scope: Scope) -> Component:
        """The component of that place, which may be changed: a copy when it was shared with other places."""
        if scope.parent is None:
            return scope.component
        holder = self._own(scope.parent)
        attribute = holder.attributes[scope.name]
        function = attribute.value if isinstance(attribute.value, Function) else None
        component: Component = attribute.value if function is None else function.component
        if component.shared:
            unplaced = id(component) in self._unplaced
            component = component.copy()
            self._seen[id(component)] = component
            if unplaced:
                self._unplaced[id(component)] = component
            self.budget.step(1 + len(component.attributes))
            value = component if function is None else replace(function, component=component)
            holder.attributes[scope.name] = attribute._replace(value=value)
        scope.component = component
        return component

    def _note(self, problem: Problem, attribute: Attribute, scope: Scope) -> None:
        self._left = True
        self.findings.add(problem.at(attribute.mark, scope.path()))
