"""Texts that keep to the grammar of descriptions, all of it, and to little else; made at random."""

import random

NAMES = ["a", "b", "c", "d", "P", "Q", "n-1", "x.y", "é", "sfConfig", "phaseList", "sfFunctionClass"]
QUOTED = ['"a"', '"two words"', '""', '"extends"', '"a:b"', '"\\n"', "##a\nb#"]
TAGS = ["sfTemp", "sfFinal", "sfLocal", "sfOverride", "mine", '"my own"']
TEMPLATES = [
    *("Schema", "Integer", "OptionalString", "Assertions", "Compound", "Prim", "CD", "Compulsory"),
    *("concat", "sum", "Set", "next", "formatString", "ref", "ifThenElse", "append", "vector", "EQ"),
    *("XenDomain", "LVMStorageBackend", "Sequence", "Group", "BashShell"),
]
LITERALS = [
    *("1", "-2", "007", "2147483647", "-2147483648", "5L", "9223372036854775807L", "0"),
    *("1.5", ".5", "1.", "1e3", "1e400", "1.5f", "1e-50f", "-0.0", "3.5d"),
    *('"s"', '""', '"\\101\\n"', '"日"', "##t\n\\#t#", "true", "false", "NULL", "TBD"),
    *("#HEX#00FF#", "#DEC#255#", "#OCT#377#", "#BIN#00000001#", "[||]", "[| 1, [| \"x\" |] |]"),
]  # fmt: skip
BAD_LITERALS = ["2147483648", "9223372036854775808L", "#B64#AA#", "#HEX#0#", "VAR x"]
MANY = ["<>", "++", "+", "*", "&&", "||", "x|", "->"]
NAMED = ["ATTRIB", "HERE", "HERE", "ATTRIB", "PROPERTY", "IPROPERTY", "ENVPROPERTY", "CONSTANT", "HOST"]
TWO = ["==", "!=", ">=", "<=", ">", "<", "-", "/", "%"]
FILES = [
    *("org/smartfrog/components.sf", "org/smartfrog/functions.sf", "org/smartfrog/predicates.sf"),
    *("ch/cern/openlab/smartdomains/components.sf", "/nm/components.sf"),
    "org/smartfrog/sfcore/workflow/combinators/components.sf",
]
MISSING = ["none.sf", "x.sf"]
PHASES = ["type", "place", "function", "sfConfig", "link", "mine"]
WRAPPED = 0.05  # how often a whole file stands in extends { }


class Grammar:
    """Makes texts; the same for the same `chance`. exact: without what parsing refuses in the end."""

    def __init__(self, chance: random.Random, depth: int = 4, exact: bool = False) -> None:
        self._literals = LITERALS if exact else LITERALS * 3 + BAD_LITERALS
        self._files = FILES if exact else FILES + MISSING
        self._chance = chance
        self._depth = depth

    def file(self) -> str:
        """A whole file."""
        start = "".join(f"{self._include()} " for _ in range(self._chance.choice([0, 0, 1, 1, 2])))
        last = f"sfConfig extends {self._reference()}, {{ {self._items(self._depth)} }}"
        text = f"{start}{self._items(self._depth)} {self._chance.choice([last, last, last, ''])}"
        if self._rarely(WRAPPED):
            phases = ", ".join(f'"{phase}"' for phase in self._some(PHASES))
            text += f" phaseList [| {phases} |];"
        return f"extends {{ {text} }}" if self._rarely(WRAPPED) else text

    def _rarely(self, share: float = 0.1) -> bool:
        return self._chance.random() < share

    def _some(self, things: list[str], most: int = 6) -> list[str]:
        return [self._chance.choice(things) for _ in range(self._chance.randint(0, most))]

    def _items(self, depth: int) -> str:
        return " ".join(self._item(depth) for _ in range(self._chance.randint(0, 5)))

    def _item(self, depth: int) -> str:
        if self._rarely(0.03):
            return self._include()
        if self._rarely(0.03):
            return ";"
        tags = f"[{', '.join(self._some(TAGS, 2))}] " if self._rarely(0.2) else ""
        if depth and self._rarely(0.45):
            return f"{tags}{self._name()} {self._component(depth - 1)}"
        if self._rarely(0.05):
            return f"{tags}{self._name()};"
        return f"{tags}{self._name()} {self._simple(depth)}{self._chance.choice([';', ';', ';', ' '])}"

    def _include(self) -> str:
        word = self._chance.choice(["#include", "#include", "#include?"])
        return f'{word} "{self._chance.choice(self._files)}"'

    def _name(self) -> str:
        if self._rarely(0.05):
            return "--"
        path = [self._chance.choice(NAMES) for _ in range(self._chance.choice([1, 1, 1, 1, 2, 3]))]
        if self._rarely():
            path[-1] = self._chance.choice(QUOTED[:-1])
        return ":".join(path)

    def _component(self, depth: int) -> str:
        protos = [self._proto(depth) for _ in range(self._chance.choice([0, 0, 1, 1, 2]))]
        data = self._chance.choice(["", "", "", "", "DATA ", "LAZY "])
        kind = ":default" if self._rarely(0.03) else ""
        body = f"{{ {self._items(depth)} }}"
        if protos and self._rarely(0.3):
            return f"extends{kind} {data}{', '.join(protos)};"
        return f"extends{kind} {data}{', '.join([*protos, body])}"

    def _proto(self, depth: int) -> str:
        if self._rarely():
            return "NULL" if self._rarely(0.5) else f"{{ {self._items(depth)} }}"
        return self._chance.choice(TEMPLATES) if self._rarely(0.3) else self._reference()

    def _simple(self, depth: int) -> str:
        if not depth or self._rarely(0.4):
            return self._chance.choice(self._literals) if self._rarely(0.6) else self._link(depth)
        kinds = [self._operation, self._vector, self._if, self._switch, self._nested, self._link]
        return self._chance.choices(kinds, [6, 2, 2, 1, 2, 4])[0](depth - 1)

    def _operation(self, depth: int) -> str:
        if self._rarely():
            return f"(! {self._simple(depth)})"
        sign = self._chance.choice(MANY + TWO)
        count = self._chance.randint(2, 4) if sign in MANY else 2
        return f"({f' {sign} '.join(self._simple(depth) for _ in range(count))})"

    def _vector(self, depth: int) -> str:
        return f"[{', '.join(self._simple(depth) for _ in range(self._chance.randint(0, 4)))}]"

    def _if(self, depth: int) -> str:
        return f"IF {self._simple(depth)} THEN {self._simple(depth)} ELSE {self._simple(depth)} FI"

    def _switch(self, depth: int) -> str:
        body = f"{{ {self._items(depth)} }}" if self._rarely(0.3) else ""
        count = self._chance.randint(1, 3)
        cases = [f"IF {self._simple(depth)} THEN {self._simple(depth)}" for _ in range(count)]
        return f"SWITCH {body} {' '.join(cases)} ENDSWITCH"

    def _nested(self, depth: int) -> str:
        return (
            f"({self._component(depth).removesuffix(';')})"
            if self._rarely(0.6)
            else f"({self._simple(depth)})"
        )

    def _link(self, depth: int) -> str:
        if self._rarely(0.1) and depth:
            head = self._chance.choice(["", "", "LAZY ", "DATA "])
            return f"{head}{self._chance.choice(['APPLY', 'ASSERT'])} {{ {self._items(depth - 1)} }}"
        if self._rarely():
            return f"DATA {self._reference()}"
        lazy = "LAZY " if self._rarely(0.2) else ""
        optional = self._chance.choice(["OPTIONAL ", "OPTIONAL (1) "]) if self._rarely() else ""
        return f"{lazy}{optional}{self._reference()}"

    def _reference(self) -> str:
        parts = [self._part(first=not number) for number in range(self._chance.choice([1, 1, 1, 2, 2, 3]))]
        return ":".join(parts)

    def _part(self, first: bool) -> str:
        if self._rarely(0.25):
            return self._chance.choice(["PARENT", "ROOT", "THIS", "PARENT", "PROCESS"])
        name = self._chance.choice(NAMES)
        if self._rarely(0.15):
            return f"{self._chance.choice(NAMED)} {self._chance.choice([name, *QUOTED])}"
        return name if not first or self._rarely(0.8) else self._chance.choice(NAMES[:4])
