"""The words of RSpec v3 and of its extensions: namespaces, names of elements, where schemas are. Pure.

`extensions` is what GetVersion lists, and `mapping` the namespaces with the addresses of their schemas; nm's
own are served by the aggregate itself.
"""

from collections.abc import Mapping

RSPEC = "http://www.geni.net/resources/rspec/3"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
OPSTATE = "http://www.geni.net/resources/rspec/ext/opstate/1"
USER = "http://www.geni.net/resources/rspec/ext/user/1"
SHARED = "http://www.geni.net/resources/rspec/ext/shared-vlan/1"
SHARED_OLD = "http://www.protogeni.net/resources/rspec/ext/shared-vlan/1"  # the same, as ProtoGENI spells it
EMULAB = "http://www.protogeni.net/resources/rspec/ext/emulab/1"
NM = "urn:x-nm:rspec:1"  # nm's own

AD, REQUEST, MANIFEST = "advertisement", "request", "manifest"
SCHEMAS = {AD: "ad.xsd", REQUEST: "request.xsd", MANIFEST: "manifest.xsd"}
PREFIXES = {"opstate": OPSTATE, "user": USER, "sharedvlan": SHARED, "nm": NM}

SCHEMA_LOCATION = f"{{{XSI}}}schemaLocation"
SLIVER_TYPE = "raw-pc"  # a whole machine: the only kind of sliver that there is
RAW = frozenset({"raw-pc", "raw"})  # and what clients call it

_USED = {AD: (OPSTATE, SHARED, NM), REQUEST: (SHARED, SHARED_OLD, USER, EMULAB, NM), MANIFEST: (USER, NM)}
_SCHEMAS_PATH = "rspec/nm/1"


def core(name: str) -> str:
    """The name of an element of RSpec itself, as lxml has it."""
    return f"{{{RSPEC}}}{name}"


def ours(name: str) -> str:
    """The name of an element of nm's extension."""
    return f"{{{NM}}}{name}"


def extensions(kind: str) -> tuple[str, ...]:
    """The namespaces of the extensions that RSpecs of that kind may use here."""
    return _USED[kind]


def schema(kind: str) -> str:
    """The address of RSpec's own schema of that kind."""
    return f"{RSPEC}/{SCHEMAS[kind]}"


def mapping(base: str, kind: str) -> Mapping[str, str]:
    """Namespace -> address of the schema of each extension; nm's lies below `base`, where the AM is."""
    known = {space: f"{space}/{SCHEMAS[kind]}" for space in extensions(kind) if space != NM}
    return {**known, NM: f"{base.rstrip('/')}/{schema_path(kind)}"}


def schema_path(kind: str) -> str:
    """Where the aggregate serves nm's schema of that kind, below its own address."""
    return f"{_SCHEMAS_PATH}/{SCHEMAS[kind]}"


def locations(base: str, kind: str) -> str:
    """The schemaLocation of an RSpec that is written here."""
    pairs = {RSPEC: schema(kind), **(mapping(base, kind) if base else {})}
    return " ".join(f"{space} {place}" for space, place in pairs.items())


def version(kind: str) -> dict[str, object]:
    """How GetVersion tells of the RSpecs of that kind that are read or written here."""
    return {
        "type": "GENI",
        "version": "3",
        "schema": schema(kind),
        "namespace": RSPEC,
        "extensions": list(extensions(kind)),
    }


def is_known(kind: object, number: object) -> bool:
    """Whether these are the type and the version of RSpecs here, as geni_rspec_version names them."""
    return (str(kind).lower(), str(number).lower()) == ("geni", "3")
