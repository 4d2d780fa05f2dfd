"""Help on the grammar, and the page docs/shell.md (`python -m nm.shell.spl.reference`). Pure."""

import sys
from collections.abc import Iterator, Sequence

from nm.shell.failures import Usage
from nm.shell.spl.grammar import Row, forms, spoken
from nm.shell.spl.rows import ROWS, SECTIONS, of_nmctl
from nm.shell.wording import clipped

WIDTH = 60
AFTER = (
    "Words may be shortened while they mean one thing; names never. Nodes may be given as 1,4 or 1-4.",
    "All commands of nmctl work here too: `help node` lists those for nodes, and any command takes --help.",
)

HEAD = """\
# The shell `spl>`

`nmctl shell` is a prompt with the grammar of SPL's operators. It talks to the daemon at `--address`,
`--lab` or `NM_ADDRESS`, or to the one that is named behind it: `nmctl shell ADDRESS`. When none is named
and none runs on this machine, it asks.

    $ nmctl shell
    nm 0.1; `help` lists the commands, Tab completes, `exit` leaves
    spl> show free node
    NAME  STATE  GROUP  NICS         ADDRESS  NOTE
    1     free   -      boot sw0:p1  -        -
    4     free   -      boot sw0:p4  -        -
    spl> create group alpha vlan 101 head-node h1
    group alpha created; staged: `nmctl deploy` makes it real
    spl> add 1,4 to alpha
    added to alpha: 1, 4; staged: `nmctl deploy` makes it real
    spl> exit
    not deployed: alpha (stays staged; `deploy` makes it real)
    leave all the same? [Y/n] n
    spl> deploy
    job 7 deploy alpha: done in 1.2s
    spl> exit

- **Staged until deployed.** `create group`, `add`, `remove` and `change <group>` write down what is
  wanted; `deploy` makes it real and waits. What is staged is kept by the daemon: leaving loses nothing,
  and `exit` tells what is not deployed.
- **Names.** A node's id in SPL is its name here. `1,4`, `1, 4` and `1 4` are the same; `1-4` means those
  of 1 to 4 that exist, `n1-n4` those of n1 to n4.
- **Short words.** `sh no` is `show node`; `sh n` is not enough (node or network). Only words of the
  grammar may be shortened, never names.
- **Options.** A line may end in options of the nmctl command that it stands for: `show node --json`,
  `create group beta --expires +2d`, `add 4 to alpha --dry-run`.
- **nmctl's commands** work at the prompt as they are, with or without `nmctl` before them: `group plan
  alpha`.
- **At the keyboard.** Tab completes words and names that exist. The history is kept in
  `~/.local/state/nm/history`, readable by you alone. Ctrl-C clears the line, or ends the watching of a
  job, which goes on; Ctrl-D leaves.
- **In scripts.** `nmctl shell -c 'show node' -c deploy`, or lines on stdin; a line that begins with # is
  a remark. The first line that fails ends the script, and its status is the script's; with `--keep-going`
  the rest is carried out all the same. Nothing is asked.
- **No passwords.** People prove who they are by SSH keys: `create user` takes rights and `--key-file`.
- **Piece by piece.** `node create`, `nic create`, `nic add` and `nic connect` describe a node in pieces.
  nm knows a node only with a NIC, so a piece without its partner is kept by this shell until it has one;
  `exit` tells what would be forgotten. `create node` does it in one line.

## The commands
"""


def help_on(words: Sequence[str]) -> list[str]:
    """The lines of `help`: of all commands, or of those that begin with the words."""
    if not words:
        return list(_overview())
    lines = [line for row in ROWS if _begins(row, words) for line in _entry(row)]
    more = [row for row in of_nmctl() if row.pattern.split()[: len(words)] == list(words)]
    if more:
        lines += ["", "nmctl's own:", *(f"  {row.do.removesuffix(' {rest}'):24} {row.help}" for row in more)]
    if not lines:
        raise Usage(f"no command begins with {clipped(' '.join(words))}", "`help` lists all")
    return [line for number, line in enumerate(lines) if number or line]


def _begins(row: Row, words: Sequence[str]) -> bool:
    return any(
        len(form.words) >= len(words)
        and all(word in token.names for word, token in zip(words, form.tokens, strict=False))  # type: ignore[union-attr]
        for form in forms(row)
    )


def _overview() -> Iterator[str]:
    for title, rows in SECTIONS.items():
        yield f"{title}:"
        for row in rows:
            yield from _aligned(row.usage, row.help)
        yield ""
    yield from AFTER


def _entry(row: Row) -> Iterator[str]:
    yield from _aligned(row.usage, row.help)
    if row.example:
        yield f"      as: {row.example}"
    for other in row.also:
        yield f"      or: {spoken(other)}"


def _aligned(usage: str, about: str) -> Iterator[str]:
    if len(usage) > WIDTH:
        yield f"  {usage}"
        usage = ""
    yield f"  {usage:{WIDTH}} {about}"


def page() -> Iterator[str]:
    """The lines of the page in Markdown."""
    yield from HEAD.splitlines()
    yield ""
    for title, rows in SECTIONS.items():
        yield f"### {title}"
        yield ""
        for row in rows:
            yield f"- `{row.usage}`: {row.help}." + (f" As `{row.example}`." if row.example else "")
            for other in row.also:
                yield f"  Also `{spoken(other)}`."
        yield ""
    yield "nmctl's own commands: `help WORD`, or `nmctl --help`."


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in page())
