"""The command line of `nmctl lab`."""

import argparse

import pytest

from nm import lab


@pytest.mark.parametrize(
    ("line", "node", "command"),
    [
        ("exec one -- cmd a -- b", None, ["cmd", "a", "--", "b"]),
        ("exec one --node n1 -- cmd -- --node n2", "n1", ["cmd", "--", "--node", "n2"]),
        ("exec --node n1 one -- cmd", "n1", ["cmd"]),
        ("exec one -- -- x", None, ["--", "x"]),
        ("exec one cmd a", None, ["cmd", "a"]),
        ("exec one --node n1 cmd", "n1", ["cmd"]),
    ],
)
def test_what_stands_behind_the_first_dashes_stays_as_it_is(
    line: str, node: str | None, command: list[str]
) -> None:
    parser = argparse.ArgumentParser()
    lab.add_arguments(parser)
    args = lab.parse(parser, line.split())
    assert (args.name, args.node, args.command) == ("one", node, command)


@pytest.mark.parametrize("line", ["exec one --", "exec one", "exec", "status one -- two"])
def test_what_is_no_command_line_is_refused(line: str) -> None:
    parser = argparse.ArgumentParser()
    lab.add_arguments(parser)
    with pytest.raises(SystemExit) as ended:
        lab.parse(parser, line.split())
    assert ended.value.code == 2
