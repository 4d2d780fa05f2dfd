"""What GENI's Aggregate Manager API answers, as structs of XML-RPC. Pure.

Every answer has a code, a value and an output; there is no nil, and times are text.
"""

from typing import Any

import nm
from nm.errors import NMError
from nm.federation.answers import Answer, Sliver
from nm.federation.visits import Rules
from nm.geni import times
from nm.geni.codes import Code, code_of
from nm.geni.rspec import manifest, vocabulary
from nm.geni.rspec.vocabulary import AD, MANIFEST, REQUEST

TYPE = "nm"  # of aggregate managers, as clients tell them apart
VERSION = 3
Struct = dict[str, Any]


def done(value: Any) -> Struct:
    """The answer of a call that did what it was asked."""
    return _answer(Code.SUCCESS, 0, value, "")


def failed(error: NMError) -> Struct:
    """That of one which did nothing. `am_code` is nm's own code."""
    return _answer(code_of(error), error.code, "", str(error))


def _answer(code: Code, own: int, value: Any, output: str) -> Struct:
    return {
        "code": {"geni_code": int(code), "am_type": TYPE, "am_code": own},
        "value": value,
        "output": output,
    }


def version(rules: Rules) -> Struct:
    """The answer of GetVersion."""
    url = rules.aggregate.url
    value = {
        "geni_api": VERSION,
        "geni_api_versions": {str(VERSION): url},
        "geni_request_rspec_versions": [vocabulary.version(REQUEST)],
        "geni_ad_rspec_versions": [vocabulary.version(AD)],
        "geni_credential_types": [
            {"geni_type": "geni_sfa", "geni_version": number} for number in ("2", "3")
        ],
        "geni_single_allocation": 0,  # an int: what reads it asks for one
        "geni_allocate": "geni_many",
        "geni_am_type": TYPE,
        "geni_am_code": nm.__version__,
        "nm_schemas": {kind: dict(vocabulary.mapping(url, kind)) for kind in (AD, REQUEST, MANIFEST)},
    }  # fmt: skip
    return {"geni_api": VERSION, **done(value)}


def described(rules: Rules, answer: Answer, now: float, with_urn: bool = True) -> Struct:
    """A slice's manifest and slivers."""
    told = answer.told or manifest.Slice([], {})
    ends = "" if answer.expires is None else times.render(answer.expires)
    text = manifest.write(rules.aggregate, told, times.render(now), ends)
    return {"geni_rspec": text, **(status(answer) if with_urn else {"geni_slivers": slivers(answer)})}


def status(answer: Answer) -> Struct:
    """A slice and how its slivers are."""
    return {"geni_urn": answer.slice, "geni_slivers": slivers(answer)}


def slivers(answer: Answer) -> list[Struct]:
    """How they are."""
    return [_sliver(one) for one in answer.slivers]


def _sliver(sliver: Sliver) -> Struct:
    return {
        "geni_sliver_urn": sliver.urn,
        "geni_expires": times.render(sliver.expires),
        "geni_allocation_status": sliver.allocation,
        "geni_operational_status": sliver.operational,
        "geni_error": sliver.error,
    }
