"""The manual pages and the completion name everything, and are well made."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from nm import config, daemon, manual, ticketmaker
from nm.shell import completion, guide, main, offline
from nm.shell.table import Arg

BASH = ["bash", "--norc", "--noprofile", "-c"]
ASK = """
source /dev/stdin
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_nmctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


def text_of(page: str) -> str:
    """The page as a reader sees it, on wide paper."""
    source = "\n".join(manual.PAGES[page]()) + "\n"
    read = subprocess.run(
        ["man", "--warnings", "--encoding=UTF-8", "--local-file", "-"],
        input=source,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "1000", "MANPAGER": "cat"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert read.stderr == ""
    return re.sub(r".\x08", "", read.stdout)


def shown(arg: Arg) -> str:
    """How help names it."""
    return arg.name if arg.name.startswith("--") else arg.metavar or "|".join(arg.choices) or arg.name.upper()


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
class TestManual:
    def test_nmd_names_every_option(self) -> None:
        page = text_of("nmd.8")
        options = [word for action in daemon.parser()._actions for word in action.option_strings]
        assert len(options) >= 6
        assert [option for option in options if option not in page] == []
        assert "HUP reads the configuration" in page

    def test_nm_ticket_names_every_option(self) -> None:
        page = text_of("nm-ticket.1")
        options = [word for action in ticketmaker.parser()._actions for word in action.option_strings]
        assert [option for option in options if option not in page] == []

    def test_forward_api_calls_names_every_exit_status(self) -> None:
        page = text_of("forward_api_calls.8")
        assert "the login shell of delegate accounts" in page
        assert re.findall(r"^       (\d)      (\w[\w ]+)\.$", page, re.MULTILINE)[:2] == [
            ("1", "bad request"),
            ("2", "no daemon"),
        ]

    def test_nmctl_names_every_command_and_option(self) -> None:
        page = text_of("nmctl.1")
        sections = dict(re.findall(r"^   (\S.*)\n((?:(?:       .*)?\n)*)", page, re.MULTILINE))
        for command in guide.commands():
            said = sections[command.words]
            assert " ".join(command.help.split()) in said
            assert [name for name in map(shown, command.arguments) if name not in said] == [], command.words
        assert {"lab up", "lab exec", "lab status", "lab down"} <= set(sections)
        for word in ("--address", "--json", "NM_ADDRESS", "9 done in part"):
            assert word in page

    def test_nm_toml_names_every_key_with_its_default(self) -> None:
        page = text_of("nm.toml.5")
        for section, key in config.all_keys():
            assert f"[{section}]" in page
            entry = rf"^       {key.name} = .+\n +{re.escape(key.metadata['doc'][:40])}"
            assert re.search(entry, page, re.MULTILINE), key.name

    def test_the_defaults_in_nm_toml_are_toml(self) -> None:
        keys: dict[str, list[str]] = {}
        for line in text_of("nm.toml.5").splitlines():
            if line.startswith("["):
                keys[line] = []
            elif re.match(r"       [a-z_]+ = ", line):
                keys[list(keys)[-1]].append(line.strip())
        text = "\n".join(line for section, lines in keys.items() for line in (section, *lines))
        assert config.parse(text) == config.Config()


def test_text_cannot_become_a_request() -> None:
    assert manual.plain(".so /etc/shadow") == r"\&.so /etc/shadow"
    assert manual.plain("'x\\n") == r"\(aqx\en"


# ---- completion


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "nmctl"
    path.write_text(completion.script())
    return path


def offered(script: Path, *words: str, folder: Path | None = None) -> Sequence[str]:
    """What bash offers for the last of the words."""
    asked = subprocess.run(
        [*BASH, ASK, "bash", "nmctl", "nmctl", *words],
        input=script.read_text(),
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
        cwd=folder,
    )
    assert asked.stderr == ""
    return asked.stdout.split()


def test_every_word_of_every_command_is_offered(script: Path) -> None:
    assert set(offered(script, "")) >= {words[0] for words in guide.spellings()} | {"lab"}
    for noun in {words[0] for words in guide.spellings() if len(words) == 2}:
        verbs = {words[1] for words in guide.spellings() if words[0] == noun and len(words) == 2}
        assert verbs <= set(offered(script, noun, ""))


def test_every_option_of_every_command_is_offered(script: Path) -> None:
    for words, command in guide.spellings().items():
        options = {arg.name for arg in command.arguments if arg.name.startswith("--")}
        options |= {word for action in main.common()._actions for word in action.option_strings}
        assert options <= set(offered(script, *words, "-")), words


def test_values_are_not_options(script: Path, tmp_path: Path) -> None:
    (tmp_path / "keys.pub").touch()
    assert offered(script, "power", "n1", "o") == ["on", "off"]
    assert offered(script, "--lab", "node", "vlan", "reg") == ["register"]
    assert offered(script, "group", "create", "alpha", "--vlan", "") == []
    assert offered(script, "group", "create", "alpha", "--key-file", "k", folder=tmp_path) == ["keys.pub"]
    assert offered(script, "backup", "k", folder=tmp_path) == ["keys.pub"]
    assert offered(script, "lab", "dow") == ["down"]
    assert "--switches" in offered(script, "lab", "up", "--")
    assert "--wait" in offered(script, "deploy", "alpha", "--")


def test_the_lab_has_its_verbs(script: Path) -> None:
    assert set(completion.of_parser(offline.lab_parser()).words) <= set(offered(script, "lab", ""))


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_script_is_sound(script: Path) -> None:
    said = subprocess.run(
        ["shellcheck", "--shell=bash", str(script)], capture_output=True, text=True, timeout=30, check=False
    )
    assert said.stdout == ""
