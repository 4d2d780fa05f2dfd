"""The rows of the table of methods for descriptions: pools of machines that one text describes. Pure."""

from nm.arguments import (
    ATTRIBUTE,
    DESCRIPTION,
    FLAG,
    LIST,
    NAME,
    STRUCT,
    VALUE,
    Param,
    door_row,
    read_row,
    write_row,
)
from nm.pools import console, operations, showing

_NAME = Param("name", NAME, "the description's")
_TEXT = Param("text", DESCRIPTION, "in SmartFrog's language")
_FILES = Param("files", STRUCT, "what it includes: include path to text")
_OPTIONS = (
    "host: where those are that name none; reference: updates as strict as the reference's; adopt: domains "
    "of the same names that nm has not are taken as they are; found: ids of jobs of InspectDomains, by which "
    "the plan tells which these are; decimals: double or reference, as which a number like 1.25 is read; "
    "else as before"
)
_ATTRIBUTE = Param(
    "path", ATTRIBUTE, "the component's path and the attribute, as sfConfig:memory or a:b:memory"
)

DESCRIPTIONS = (
    door_row(
        "PlanDescription",
        "struct",
        "What ApplyDescription would do; changes nothing. Answers {hash; changes: list of {path, kind, host, "
        "why, action (create, adopt, change, restart, replace, destroy, later), differences: list of {name, "
        "how (added, changed, removed), old, new, effect (now, restart, refused, replace, termination)}}; "
        "steps: list of {id, path, what, stage, needs}; refused: why it may not be done; lines: the changes "
        "in words; warnings; ask: where domains may be adopted, what InspectDomains is to be asked before "
        "the plan can tell which: list of {host, names}}.",
        _NAME,
        _TEXT,
        _FILES,
        Param("options", STRUCT, _OPTIONS, optional=True),
        since=9,
    ),
    door_row(
        "ApplyDescription",
        "int",
        "Deploys a description, or changes the one of that name into this. Answers a job's id.",
        _NAME,
        _TEXT,
        _FILES,
        Param("options", STRUCT, f"if_plan: a hash of PlanDescription; {_OPTIONS}", optional=True),
        since=9,
    ),
    write_row(
        "TerminateDescription",
        operations.terminate,
        "Takes all of it down, in the reverse order, whatever it is at; then it is gone. Answers a job's id; "
        "its result: left, a list of {path, kind, host, error}.",
        _NAME,
        Param("force", FLAG, "what cannot be taken away now is left, and taken away later", optional=True),
        since=9,
    ),
    write_row(
        "TerminateComponent",
        operations.terminate_component,
        "Takes one component of a description down with all inside it, and what is around it as the "
        "language has it; with detach, nothing around it. The next ApplyDescription makes it again. "
        "Answers a job's id.",
        _NAME,
        Param("path", ATTRIBUTE, "the component, as a:b"),
        Param("options", STRUCT, "detach: true or false", optional=True),
        since=9,
    ),
    read_row(
        "GetDescriptions",
        showing.get_descriptions,
        "array",
        "The deployed descriptions that the caller may see, in the order of their names.",
        Param("filter", STRUCT, "keys of the structs to a value or a list of values; {} for all"),
        since=9,
    ),
    read_row(
        "GetDescription",
        showing.get_description,
        "struct",
        "The text of a deployed description, with what it includes, as it was applied, and what was set "
        "since: {name; revision; text; files: struct of include path to text; set: list of {path, value}, "
        "without value where it was removed; options: host, reference, adopt, decimals as it was applied "
        "with}.",
        _NAME,
        since=9,
    ),
    read_row(
        "GetComponents",
        showing.get_components,
        "array",
        "The components of a deployed description, each before what is inside it.",
        _NAME,
        Param("path", ATTRIBUTE, "only that one and what is inside it", optional=True),
        since=9,
    ),
    read_row(
        "GetComponentTree",
        console.get_component_tree,
        "struct",
        "What a console shows of a deployed description: of its tree what is unfolded, and the one component "
        "that is chosen. A component in it has waiting (attributes that were changed since it started and "
        "count when it starts again; notes.waits tells why some do that would count at once), one of rows "
        "inside (how many are directly inside it) and below ({components, running, busy, bad, waiting, "
        "drifted}, counted with all inside it), the chosen one locked (attributes that cannot be set while "
        "it is there) and known (those that it may be given: list of {name, type, must, default, effect, "
        "text}).",
        _NAME,
        Param(
            "view",
            STRUCT,
            "root: the component from which it is shown, or a console; open: list of [path, count], of "
            "each of these so many that are inside it; find: words, instead of that those whose path, kind, "
            "host and state have them all, `most` of them; chosen: a component's path",
            optional=True,
        ),
        since=9,
    ),
    write_row(
        "InspectDomains",
        operations.inspect_domains,
        "Looks which domains a host has. Answers a job's id; its result: list of {name, running, nm (whether "
        "nm has it already), attributes, disk_kind, disk (those of its components; {}: none), left (what "
        "these cannot say)}.",
        Param("host", NAME),
        Param(
            "names",
            LIST,
            "of domains, of which those are left out that are not there; [] for all that run",
            optional=True,
        ),
        since=9,
    ),
    write_row(
        "SetAttribute",
        operations.set_attribute,
        "Sets an attribute of a component that runs, or adds one; nothing is stopped for it: GetComponents "
        "tells in effects whether it counts now, at the next restart or at termination. The next "
        "ApplyDescription ends it. Answers a job's id.",
        _NAME,
        _ATTRIBUTE,
        Param("value", VALUE),
        since=9,
    ),
    write_row(
        "RemoveAttribute",
        operations.remove_attribute,
        "Removes an attribute of a component that runs, likewise. Answers a job's id.",
        _NAME,
        _ATTRIBUTE,
        since=9,
    ),
)
