"""SmartFrog's commands under their own names: sfStart HOST NAME FILE, and so on. Each is one of nmctl's."""

import sys

from nm.shell.main import main


def start() -> int:
    """Deploy a description: sfStart HOST NAME FILE."""
    return main(["sf", "start", *sys.argv[1:]])


def terminate() -> int:
    """Take it down: sfTerminate HOST NAME; also sfDetachAndTerminate, for nothing around it would follow."""
    return main(["sf", "stop", *sys.argv[1:]])


def parse() -> int:
    """Check a description: sfParse FILE."""
    return main(["sf", "check", *sys.argv[1:]])


def run() -> int:
    """Deploy a description under its file's name: sfRun FILE."""
    return main(["sf", "run", *sys.argv[1:]])
