"""How the tests say what a description means: its resolved attributes on one line."""

import os

import pytest

from nm import sflibrary
from nm.descriptions.compiler import Phase, behind
from nm.descriptions.compiler import compile as compile_description
from nm.descriptions.problems import Flawed

EXAMPLES = int(os.environ.get("NM_EXAMPLES", "100"))  # of a random description
LIBRARY = sflibrary.texts()
FUNCTIONS = '#include "org/smartfrog/functions.sf"\n'
SCHEMAS = '#include "org/smartfrog/predicates.sf"\n'
# All components that there are.
INCLUDES = "".join(
    f'#include "{name}"\n'
    for name in (
        "ch/cern/openlab/smartdomains/components.sf",
        "nm/components.sf",
        "org/smartfrog/services/shellscript/components.sf",
        "org/smartfrog/services/management/components.sf",
        "org/smartfrog/sfcore/workflow/combinators/components.sf",
    )
)


def meaning(text: str, **files: str) -> str:
    """What sfConfig resolves to, in canonical form on one line, without the braces around it."""
    sent = {name.replace("_sf", ".sf"): content for name, content in files.items()}
    said = " ".join(compile_description("test.sf", text, sent, library=LIBRARY).text().split())
    return said.removeprefix("sfConfig extends {").removesuffix("}").strip()


def text_behind(phase: Phase, text: str) -> str:
    """What a description is behind a phase, as a description."""
    return behind("test.sf", text, phase, library=LIBRARY).text()


def inside(body: str) -> str:
    """What the attributes of an sfConfig resolve to."""
    return meaning(f"sfConfig extends {{ {body} }}")


def mistakes(text: str, **files: str) -> Flawed:
    """What is wrong with a description."""
    sent = {name.replace("_sf", ".sf"): content for name, content in files.items()}
    with pytest.raises(Flawed) as caught:
        compile_description("test.sf", text, sent, library=LIBRARY)
    return caught.value


def wrong(text: str, **files: str) -> str:
    """The first thing that is wrong with it."""
    return mistakes(text, **files).problems[0].message
