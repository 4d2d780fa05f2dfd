"""The environment of programs that are not measured for coverage.

What those covered that are killed would be lost, and another account may not write where it is kept.
"""

import os


def environment() -> dict[str, str]:
    """That of the tests, but for what makes a program measure itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
