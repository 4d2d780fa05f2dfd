"""What a description may cost: everything that can grow is counted, so no text hangs or exhausts anybody."""

from dataclasses import dataclass

from nm.descriptions.problems import Mark, Problem, Wrong

A_STEP = 10  # characters that are made in the time, and the memory, that a step stands for


@dataclass(frozen=True)
class Limits:
    """The bounds of one compilation; each is named in the error that tells of it."""

    text: int = 4_000_000  # characters of all texts that are read, one that is included twice counted twice
    includes: int = 500  # texts that are read
    name: int = 500  # characters of a name: errors and paths repeat them
    depth: int = 64  # components in components, prototypes of prototypes, links to links
    steps: int = 10_000_000  # words read, attributes copied, links followed
    steps_at_first: int = 2_500_000  # of which a short text may take so many,
    steps_a_character: int = 40  # and so many more for each character that is read
    weight: int = 20_000_000  # characters of the result, or of one value
    problems: int = 20  # mistakes that are told at once


class Budget:
    """Counts what a compilation has cost so far."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.steps = 0
        self.depth = 0
        self._characters = 0
        self._most = min(limits.steps, limits.steps_at_first)

    def read(self, characters: int) -> None:
        """Read a text: the longer it is, the more it may cost."""
        limits = self.limits
        self._characters += characters
        if self._characters > limits.text:
            raise Exceeded(f"more than {limits.text:,} characters to read", "describe less at once")
        self._most = min(limits.steps, limits.steps_at_first + limits.steps_a_character * self._characters)

    def step(self, count: int = 1) -> None:
        """Take so many steps."""
        self.steps += count
        if self.steps > self._most:
            raise Exceeded(
                f"this takes more than {self._most:,} steps",
                "describe less at once, or look for prototypes that multiply each other",
            )

    def down(self) -> None:
        """Go one level deeper; `up` comes back."""
        self.depth += 1
        if self.depth > self.limits.depth:
            raise Exceeded(
                f"components, prototypes or links go more than {self.limits.depth} levels deep",
                "look for a component that contains itself, or make the description flatter",
            )

    def up(self) -> None:
        """Come back from one level."""
        self.depth -= 1

    def weigh(self, weight: int) -> None:
        """Refuse a value that is too large; its weight is about the characters that it is written with."""
        self.step(weight // A_STEP)
        if weight > self.limits.weight:
            raise Exceeded(
                f"a value, or the result, would be larger than {self.limits.weight:,} characters",
                "look for parts that double each other",
            )


class Exceeded(Wrong):
    """A limit is reached: compiling ends here, whatever else there may be to tell."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(Problem(message, hint))

    def at(self, mark: Mark | None, where: str = "") -> "Exceeded":
        """The same, with its place unless it has one."""
        self.problem = self.problem.at(mark, where)
        return self
