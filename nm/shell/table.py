"""What a command is: a row that names its words, its method, its arguments, and how to show the answer.

The tables are data so that more than one reader can use them: the command line of today, and help,
completion and the interactive shell. `parameters` maps what was typed to the arguments of the method:
arguments without a `key` become parameters in their order; those with one go into a struct, which is
the method's last parameter.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from nm.shell import values
from nm.shell.failures import Usage
from nm.shell.output import Block

if TYPE_CHECKING:
    from nm.shell.session import Session

Options = argparse.Namespace
MANY = "*"  # the end of the key of arguments that are (key, value) pairs of the struct themselves


@dataclass(frozen=True)
class Arg:
    """One argument of a command: a word by its place, or an option when its name begins with --."""

    name: str
    help: str = ""
    parse: Callable[..., Any] = str
    key: str = ""  # where the value goes in the struct; "": it is a parameter of its own
    count: str = ""  # as argparse's nargs: "?" may be left out, "+" one or more, "*" any number
    flag: bool = False  # an option without a value: True when it is given
    repeat: bool = False  # an option that may be given several times; the values make a list
    each: bool = False  # one call of the method for each of the values
    flat: bool = False  # each value is a list by itself; they are joined
    timed: bool = False  # `parse` takes the present time too, as `now`
    local: bool = False  # for nmctl itself, no part of the call
    needed: bool = False
    spare: bool = False  # the method's parameter is left out when there is no value
    choices: tuple[str, ...] = ()
    default: Any = None
    metavar: str = ""
    named: str = ""  # of a filter: the key of names that stand in it without one
    short: str = ""  # a second name of an option, as -c

    @property
    def field(self) -> str:
        """The attribute of the parsed options that holds the value."""
        return self.name.lstrip("-").replace("-", "_").lower()


@dataclass(frozen=True)
class Scene:
    """What showing an answer may depend on besides the answer."""

    options: Options
    now: float


Show = Callable[[Any, Scene], Sequence[Block]]
Run = Callable[["Session", "Command", Options], int]


@dataclass(frozen=True)
class Command:
    """One row. `say` tells what was done, with the options' fields in braces."""

    words: str
    method: str
    help: str
    args: tuple[Arg, ...] = ()
    struct: bool = False  # the method's last parameter is a struct
    say: str = ""
    show: Show | None = None
    job: bool = False  # the answer is a job's id
    take: Callable[[Any, Options], Any] | None = None  # what of the answer is the result
    check: Callable[[Options], None] | None = None  # refuses combinations that make no sense
    judge: Callable[[Any], dict[str, str]] | None = None  # what of its result a job left undone, and why
    run: Run | None = None  # instead of one plain call
    uses: tuple[str, ...] = ()  # further methods that `run` or showing calls
    also: tuple[str, ...] = field(default=())  # the same command in other words
    epilog: str = ""

    @property
    def changes(self) -> bool:
        """Whether it changes something by one plain method, so that it can be tried out."""
        return bool(self.method and (self.say or self.job))

    @property
    def arguments(self) -> tuple[Arg, ...]:
        """What can be given: the row's own, and --dry-run where that makes sense."""
        return (*self.args, DRY_RUN) if self.changes else self.args

    def told(self, options: Options) -> str:
        """What was done, or is being done, in words."""
        return self.say.format(**{name: _spoken(value) for name, value in vars(options).items()})


def _spoken(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def parameters(command: Command, options: Options) -> list[tuple[Options, tuple[Any, ...]]]:
    """The calls to make: for each, the options as they are for that call, and the method's parameters."""
    each = next((arg for arg in command.args if arg.each), None)
    if each is None:
        return [(options, _one(command, options))]
    singles = [Options(**{**vars(options), each.field: value}) for value in getattr(options, each.field)]
    return [(single, _one(command, single)) for single in singles]


def _one(command: Command, options: Options) -> tuple[Any, ...]:
    given: list[Any] = []
    pairs: list[tuple[str, Any]] = []
    for arg in command.args:
        value = getattr(options, arg.field)
        if arg.local or (arg.spare and not value):
            continue
        if arg.key.endswith(MANY):
            prefix = arg.key.removesuffix(MANY)
            pairs.extend((prefix + key, item) for key, item in value or () if key)
            if arg.named and (listed := named(options)):
                pairs.append((arg.named, listed))
        elif not arg.key:
            given.append(value)
        elif value is not None and value != [] and not (arg.flag and not value):
            pairs.append((arg.key, value))
    if command.struct:
        given.append(values.struct(pairs))
    return tuple(given)


def add_arguments(parser: argparse.ArgumentParser, args: Sequence[Arg], now: float) -> None:
    """Teach a parser the arguments."""
    for arg in args:
        parse = partial(arg.parse, now=now) if arg.timed else arg.parse
        more: dict[str, Any] = {"help": arg.help.replace("%", "%%")}
        if arg.flag:
            more |= {"action": "store_true"}
        else:
            more |= {"type": parse, "metavar": arg.metavar or None}
            if arg.choices:
                more |= {"choices": arg.choices, "metavar": arg.metavar or "|".join(arg.choices)}
            if arg.repeat:
                more |= {"action": "extend" if arg.flat else "append"}
            elif arg.flat:
                more |= {"action": _Joined}
            if arg.count:
                more |= {"nargs": arg.count}
        if arg.name.startswith("--"):
            more |= {"required": arg.needed, "dest": arg.field}
        else:
            more.setdefault("metavar", None)
            more["metavar"] = more["metavar"] or arg.name.upper()
        if arg.default is not None or arg.count == "*":
            more |= {"default": [] if arg.default is None else arg.default}
        name = arg.name if arg.name.startswith("--") else arg.field
        parser.add_argument(*filter(None, (name, arg.short)), **more)


class _Joined(argparse.Action):
    """Joins the lists that the values of one argument are."""

    def __call__(self, _parser: object, namespace: Options, found: Any, _option: object = None) -> None:
        joined = [item for part in found for item in part] if self.nargs else list(found)
        if twice := next((item for item, times in Counter(joined).items() if times > 1), None):
            raise Usage(f"{twice} is given twice", "give each once")
        setattr(namespace, self.dest, joined)


# ---- arguments that many commands share


def word(name: str, about: str = "", **more: Any) -> Arg:
    """One word by its place."""
    return Arg(name, about, **more)


def names(name: str, about: str = "", **more: Any) -> Arg:
    """One or more names, with spaces or commas between them."""
    return Arg(name, about, values.names, **{"count": "+", "flat": True, **more})


def option(name: str, about: str = "", **more: Any) -> Arg:
    """An option, whose key in the struct is its name unless told otherwise."""
    return Arg(f"--{name}", about, **{"key": "" if more.get("local") else name.replace("-", "_"), **more})


SETTINGS = Arg("settings", "more settings, as KEY=VALUE; a dot leads into a struct", values.pair, MANY, "*",
               metavar="KEY=VALUE")  # fmt: skip
CHANGES = Arg("changes", "what changes, as KEY=VALUE; keys not named stay", values.pair, MANY, "+",
              metavar="KEY=VALUE")  # fmt: skip


def filter_by(key: str, names: Callable[[str], list[Any]] = values.names) -> Arg:
    """What a list is to show; `key` is that of the names."""
    return Arg("filter", "only those named, or those with KEY=VALUE, or one of KEY=VALUE,VALUE",
               partial(values.wanted, names=names), MANY, "*", named=key,
               metavar="NAME|KEY=VALUE")  # fmt: skip


def named(options: Options) -> list[Any]:
    """The names that a filter has."""
    return [name for key, value in options.filter if not key for name in value]


FILTER = filter_by("name")
FREE = option("free", "only what can be given out now", flag=True)
DRY_RUN = Arg("--dry-run", "tell what would change, and change nothing",
              flag=True, local=True)  # fmt: skip
WAIT = Arg("--wait", "wait for the job and show its progress", flag=True, local=True)
