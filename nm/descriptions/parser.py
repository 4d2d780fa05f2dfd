"""Words to the tree as it is written, by recursive descent: a rule of the grammar is a method.

By hand, because the grammar is small and needs one word of look-ahead only, because mistakes can so be told
in the words of the language, and because it is several times as fast as what parser generators make in
Python.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NoReturn

from nm.descriptions.lexer import END, Report, Token, refuse, unescaped
from nm.descriptions.limits import Budget, Exceeded
from nm.descriptions.literals import Decimals, bytes_of, decimal, integer
from nm.descriptions.problems import Mark, Problem, Source, Unresolved, Wrong
from nm.descriptions.values import (
    ALONE,
    NAMED,
    NO_TAGS,
    TBD,
    Attribute,
    Component,
    Form,
    Function,
    Key,
    Part,
    Reference,
    Value,
    Vector,
)

Items = dict[Key, Attribute]
PACKAGE = "org.smartfrog.sfcore.languages.sf.functions."
CLASS = "sfFunctionClass"
MANY = {  # operators between any number of values
    "<>": "Append", "++": "Concatenate", "+": "Sum", "*": "Product",
    "&&": "And", "||": "Or", "x|": "Xor", "->": "Implies",
}  # fmt: skip
TWO = {  # operators between two values
    "==": "EQ", "!=": "NE", ">=": "GE", "<=": "LE", ">": "GT", "<": "LT",
    "-": "Minus", "/": "Divide", "%": "Mod",
}  # fmt: skip
OPERATORS = frozenset(MANY) | frozenset(TWO)
NOT = "Not"
BEGINS_REFERENCE = NAMED | ALONE | {"word", "OPTIONAL", "APPLY", "ASSERT"}
ANONYMOUS = "--"
NO_SECOND = "operators know no order: put one of the operations into ( )"


class Place:
    """A list of attributes that is being read. What it includes is in the same place."""


Include = Callable[[str, bool, Mark, Place], Items]


class Parser:
    """One text.

    include: gives another's attributes. number: a number for each attribute without a name. report: takes
    what is wrong; reading goes on then. place: where the attributes will stand. begins: hears of the offset
    of each attribute and include.
    """

    def __init__(
        self,
        source: Source,
        words: Iterator[Token],
        budget: Budget,
        include: Include,
        number: Callable[[], int],
        decimals: Decimals = "double",
        report: Report = refuse,
        place: Place | None = None,
        begins: Callable[[int], None] | None = None,
    ) -> None:
        self._source = source
        self._words = words
        self._now = next(words)
        self._budget = budget
        self._include = include
        self._number = number
        self._decimals: Decimals = decimals
        self._report = report
        self._place = place or Place()
        self._begins = begins

    # ---- lists of attributes

    def file(self) -> Component:
        """All of the text: attributes, which may stand in one `extends { }`."""
        if self._peek().kind != "extends":
            return Component(self._items(END), mark=Mark(self._source, 0))
        self._next()
        mark = self._mark()
        self._expect("{", "attributes stand in { }; only a whole file begins with extends")
        component = Component(self._items("}", mark), mark=Mark(self._source, 0))
        self._next()
        if self._peek().kind != END:
            self._fail(f"{self._said()} does not belong here", self._wanted())
        return component

    def primitive(self) -> Value:
        """The one primitive that the text is."""
        value = self._primitive()
        self._expect(END, "one value is wanted")
        return value

    def constant(self) -> Value:
        """The one value that the text is, with nothing to be computed: a primitive, or a list of such."""
        value = self._constant()
        self._expect(END, "one value is wanted")
        return value

    def reference(self) -> Reference | Function:
        """The one reference that the text is."""
        value = self._reference()
        self._expect(END, "one reference is wanted")
        return value

    def _wanted(self) -> str:
        if self._peek().kind in {"word", "string", ANONYMOUS, "[", "#include"}:
            return "a name and a value, as memory 512; or } behind the last one"
        if self._peek().kind == "}":
            return "there is no { for this }"
        if self._peek().kind == END:
            return "close the { with }"
        return "a name comes first, then its value; a reserved word as a name is written in quotes"

    def _items(self, end: str, opened: Mark | None = None) -> Items:
        """Attributes up to the sign that ends them, which is left. What is wrong with one is reported."""
        items: Items = {}
        while (kind := self._peek().kind) != end:
            depth = self._budget.depth
            try:
                if kind == ";":
                    self._next()
                    continue
                if self._begins:
                    self._begins(self._now.offset)
                if kind in {"word", "string", ANONYMOUS, "["}:
                    self._attribute(items)
                elif kind in {"#include", "#include?", "#codebase"}:
                    self._included(items)
                else:
                    line = opened.source.position(opened.offset)[0] if opened else 0
                    behind = f"; the {{ is in line {line}" if opened else ""
                    self._fail(f"{self._said()} does not belong here", self._wanted() + behind)
            except Exceeded:
                raise
            except Wrong as error:
                self._report(error.problem)
                self._budget.depth = depth
                if self._peek().kind == END:
                    break
                self._go_on(opened is None)
        return items

    def _go_on(self, outermost: bool) -> None:
        """Leave out the rest of an attribute: up to its ; or behind its }, or before the } around it."""
        inside = 0
        while (kind := self._peek().kind) != END:
            if kind == "}" and not inside and not outermost:
                return
            self._next()
            inside += (kind == "{") - (kind == "}")
            if inside <= 0 and kind in {";", "}"}:
                return

    def _attribute(self, items: Items) -> None:
        tags = self._tags() if self._peek().kind == "[" else NO_TAGS
        mark = self._mark()
        name = self._name()
        self._set(items, name, Attribute(self._value(), mark, tags))

    def _set(self, items: Items, name: Key, attribute: Attribute) -> None:
        """Give a name its value: a repeated one keeps its first place, takes the last value, and all tags."""
        known = items.get(name)
        if known is not None and known.tags:
            self._budget.step(len(known.tags))
            attribute = attribute._replace(tags=attribute.tags | known.tags)
        items[name] = attribute

    def _included(self, items: Items) -> None:
        mark = self._mark()
        word = self._next().kind
        if word == "#codebase":
            self._fail("#codebase: nm loads no classes", "remove it, and the string behind it", mark)
        if self._peek().kind not in {"string", "text"}:
            self._fail("what is to be included?", f'write {word} "path/of/the/file.sf"')
        name = unescaped(self._next())
        try:
            included = self._include(name, word == "#include?", mark, self._place)
        except Exceeded:
            raise
        except Wrong as error:
            self._report(error.problem)  # and nothing of this text is to be left out
        else:
            self._budget.step(len(included))
            for key, attribute in included.items():
                self._set(items, key, attribute)

    def _tags(self) -> frozenset[str]:
        self._next()
        found = set()
        while self._peek().kind != "]":
            token = self._peek()
            if token.kind not in {"word", "string"}:
                self._fail(f"{self._said()} is no tag", "tags are words, as in [sfFinal, sfTemp] name value")
            self._next()
            found.add(unescaped(token) if token.kind == "string" else token.text)
            if self._peek().kind == ",":
                self._next()
        self._next()
        return frozenset(found)

    def _name(self) -> Key:
        path: list[str] = []
        while True:
            token = self._peek()
            if token.kind == ANONYMOUS:
                self._next()
                path.append(f"{ANONYMOUS}{self._number()}")
                break
            if token.kind == "string":
                path.append(self._named(token))
                if path[-1].startswith(ANONYMOUS) and path[-1].removeprefix(ANONYMOUS).isdecimal():
                    self._fail(
                        f"{token.text} is what nm calls an attribute without a name", "call it otherwise"
                    )
                self._next()
                break
            if token.kind != "word":
                reserved = token.text.isalpha()
                hint = f'write "{token.text}" in quotes if it is a name' if reserved else "a name is a word"
                self._fail(f"{self._said()} is no name", hint)
            path.append(self._named(self._next()))
            if self._peek().kind != ":":
                break
            self._next()
        return path[0] if len(path) == 1 else tuple(path)

    # ---- values

    def _value(self) -> Value:
        kind = self._peek().kind
        if kind == ";":
            self._next()
            return None
        return self._component() if kind == "extends" else self._simple()

    def _component(self) -> Component:
        component = Component(mark=self._mark())
        self._next()
        if self._peek().kind == ":":
            self._next()
            kind = self._next()
            if kind.text != "default":
                self._fail(f"no kind of component {kind.text}", "leave it out; there is default only")
        if self._peek().kind in {"DATA", "LAZY"}:
            self._next()
            component.data = True
        self._budget.down()
        component.prototypes = self._prototypes()
        if component.prototypes and isinstance(body := component.prototypes[-1], Component):
            component.attributes = body.attributes  # nothing stands right of it
            component.prototypes.pop()
        self._budget.up()
        return component

    def _prototypes(self) -> list[tuple[Reference, Mark] | Component]:
        found: list[tuple[Reference, Mark] | Component] = []
        while True:
            mark = self._mark()
            if self._peek().kind == "{":
                found.append(self._body())
            elif self._peek().kind == "NULL":
                self._next()
            elif self._peek().kind in NAMED | ALONE | {"word"}:
                found.append((Reference(self._parts()), mark))
            else:
                self._fail("extends what?", "name a prototype, as extends XenDomain, or open a { }")
            if self._peek().kind != ",":
                break
            self._next()
        if self._peek().kind == "{":
            found.append(self._body())
        return found

    def _body(self) -> Component:
        mark = self._mark()
        self._expect("{", "attributes stand in { }")
        around, self._place = self._place, Place()
        items = self._items("}", mark)
        self._place = around
        self._next()
        return Component(items, mark=mark)

    def _simple(self) -> Value:
        token = self._peek()
        self._budget.down()
        try:
            if token.kind == "[":
                return self._vector()
            if token.kind == "(":
                return self._operation()
            if token.kind == "IF":
                return self._if()
            if token.kind == "SWITCH":
                return self._switch()
            if token.kind == "LAZY" or token.kind in BEGINS_REFERENCE:
                return self._reference()
            return self._primitive()
        finally:
            self._budget.up()

    def _vector(self) -> Function:
        mark = self._mark()
        self._next()
        values: list[Value] = []
        while self._peek().kind != "]":
            values.append(self._simple())
            if self._peek().kind == ",":
                self._next()
                if self._peek().kind == "]":
                    self._fail("a value is missing", "remove the last comma, or write one more value")
            elif self._peek().kind != "]":
                self._fail(
                    f"{self._said()} does not belong here", "values of a list stand between commas, ] ends it"
                )
        self._next()
        return self._call(
            Form.VECTOR, "Vector", {f"{ANONYMOUS}{self._number()}": value for value in values}, mark
        )

    def _operation(self) -> Value:
        mark = self._mark()
        self._next()
        if self._peek().kind == "extends":
            value: Value = self._component()
        elif self._peek().kind == "!":
            self._next()
            value = self._call(Form.OPERATOR, NOT, {"data": self._simple()}, mark, "!")
        else:
            value = self._simple()
            sign = self._peek().kind
            if sign in MANY:
                value = self._many(sign, value, mark)
            elif sign in TWO:
                self._next()
                named = {"left": value, "right": self._simple()}
                value = self._call(Form.OPERATOR, TWO[sign], named, mark, sign)
        if self._peek().kind in OPERATORS:
            self._fail(f"a second operator {self._said()}", NO_SECOND)
        self._expect(")", "the ( is still open; between the values an operator stands between blanks")
        return value

    def _many(self, sign: str, first: Value, mark: Mark) -> Function:
        values = [first]
        while self._peek().kind == sign:
            self._next()
            values.append(self._simple())
        named = {f"{ANONYMOUS}{self._number()}": value for value in values}
        return self._call(Form.OPERATOR, MANY[sign], named, mark, sign)

    def _if(self) -> Function:
        mark = self._mark()
        named: dict[str, Value] = {}
        for word, name in (("IF", "if"), ("THEN", "then"), ("ELSE", "else")):
            self._expect(word, "write IF condition THEN value ELSE value FI")
            named[name] = self._simple()
        self._expect("FI", "IF ends with FI")
        return self._call(Form.IF, "IfThenElse", named, mark)

    def _switch(self) -> Function:
        mark = self._mark()
        self._next()
        body = self._body().attributes if self._peek().kind == "{" else {}
        cases: dict[str, Value] = {}
        while self._peek().kind == "IF":
            self._next()
            number = len(cases) // 2
            cases[f"IF{number}"] = self._simple()
            self._expect("THEN", "write IF condition THEN value")
            cases[f"THEN{number}"] = self._simple()
        self._expect("ENDSWITCH", "a SWITCH has cases IF condition THEN value, and ends with ENDSWITCH")
        if not cases:
            self._fail("a SWITCH without a case", "write IF condition THEN value before ENDSWITCH", mark)
        function = self._call(Form.SWITCH, "Switch", cases, mark)
        function.component.attributes = body | function.component.attributes
        return function

    def _call(self, form: Form, name: str, values: dict[str, Value], mark: Mark, sign: str = "") -> Function:
        items: Items = {CLASS: Attribute(PACKAGE + name, mark)}
        for key, value in values.items():
            items[key] = Attribute(value, mark)
        return Function(Component(items, mark=mark), form, sign)

    # ---- references and what is written as it is

    def _reference(self) -> Reference | Function:
        lazy = self._peek().kind == "LAZY"
        if lazy:
            self._next()
        return replace(self._base(), lazy=lazy)

    def _base(self) -> Reference | Function:
        kind = self._peek().kind
        if kind in {"APPLY", "ASSERT"}:
            self._next()
            return Function(self._body(), Form[kind])
        optional, default = False, None
        if kind == "OPTIONAL":
            self._next()
            optional = True
            if self._peek().kind == "(":
                self._next()
                default = self._primitive()
                self._expect(")", "write OPTIONAL (default) name")
        return Reference(self._parts(), optional=optional, default=default)

    def _parts(self) -> tuple[Part, ...]:
        parts = [self._part(first=True)]
        while self._peek().kind == ":":
            self._next()
            parts.append(self._part(first=False))
        return tuple(parts)

    def _part(self, first: bool) -> Part:
        token = self._peek()
        if token.kind in ALONE:
            self._next()
            return Part(token.kind)
        if token.kind in NAMED:
            self._next()
            if self._peek().kind not in {"word", "string", "text"}:
                self._fail(f"{token.kind} of what?", f'write {token.kind} name, or {token.kind} "name"')
            return Part(token.kind, self._named(self._next()))
        if token.kind != "word":
            self._fail(f"{self._said()} is no part of a reference", "write names with : between them")
        return Part("ATTRIB" if first else "HERE", self._named(self._next()))

    def _named(self, token: Token) -> str:
        """The name that a word or a string is."""
        name = token.text if token.kind == "word" else unescaped(token)
        most = self._budget.limits.name
        if len(name) > most:
            raise Wrong(Problem(f"a name of more than {most} characters", "call it shorter", self._mark()))
        return name

    def _primitive(self) -> Value:
        token = self._peek()
        kind = token.kind
        if kind in {"integer", "decimal", "bytes", "string", "text"}:
            self._next()
            return self._literal(token)
        if kind in {"NULL", "true", "false", "TBD"}:
            self._next()
            return {"NULL": None, "true": True, "false": False, "TBD": TBD}[kind]
        if kind == "DATA":
            self._next()
            return replace(self._base(), data=True)
        if kind == "[|":
            return self._constants("|]", self._primitive)
        if kind == "VAR":
            self._fail("VAR needs a solver of constraints, which nm has not", "give the attribute a value")
        return self._fail(f"{self._said()} is no value", self._hint_for_value())

    def _hint_for_value(self) -> str:
        if self._peek().kind == "extends":
            return "inside a list or an operation write it in ( ), as (extends Name { })"
        return "a value is a number, a string, a name, a list [ ], or extends; ; alone means NULL"

    def _literal(self, token: Token) -> Value:
        try:
            if token.kind == "integer":
                return integer(token.text)
            if token.kind == "decimal":
                return decimal(token.text, self._decimals)
            return bytes_of(token.text) if token.kind == "bytes" else unescaped(token)
        except Unresolved as error:
            self._report(error.problem.at(Mark(self._source, token.offset)))
            return None

    def _constant(self) -> Value:
        return self._constants("]", self._constant) if self._peek().kind == "[" else self._primitive()

    def _constants(self, end: str, one: Callable[[], Value]) -> Vector:
        self._next()
        values: list[Value] = []
        self._budget.down()
        while self._peek().kind != end:
            if values:
                self._expect(",", f"values of a list stand between commas, {end} ends them")
            values.append(one())
        self._budget.up()
        self._next()
        return Vector(values)

    # ---- words

    def _peek(self) -> Token:
        return self._now

    def _next(self) -> Token:
        token = self._now
        if token.kind != END:
            self._now = next(self._words)
        self._budget.step()
        return token

    def _mark(self) -> Mark:
        return Mark(self._source, self._now.offset)

    def _said(self) -> str:
        token = self._peek()
        return "the end of the text" if token.kind == END else token.text[:40]

    def _expect(self, kind: str, hint: str) -> None:
        if self._peek().kind != kind:
            wanted = "the end" if kind == END else kind
            self._fail(f"{self._said()} stands where {wanted} is wanted", hint)
        self._next()

    def _fail(self, message: str, hint: str, mark: Mark | None = None) -> NoReturn:
        raise Wrong(Problem(message, hint, mark or self._mark()))
