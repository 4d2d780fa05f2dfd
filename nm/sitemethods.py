"""The rows of the table of methods for whole sites: import and export. Pure."""

from nm import imports, settings
from nm.arguments import SITE, Param, door_row, read_row

_SITE = Param("site", SITE, "sections of names to settings, as Export answers them")

SITES = (
    read_row(
        "CheckImport",
        imports.check_import,
        "struct",
        "What Import would do; changes nothing. Answers {add: list of {kind, name, text}; same: how many "
        "things are there already; notices; problems: list of {path, code, message, hint}}.",
        _SITE,
        since=3,
    ),
    door_row(
        "Import",
        "int",
        "Adds all things of a site, or none; what is there already and equal stays. One import runs at a "
        "time. Answers a job's id; its result: same, and kept (what could not be taken back again).",
        _SITE,
        since=3,
    ),
    read_row(
        "Export",
        settings.export,
        "string",
        "Everything that is registered, and the groups as they are wanted, as Import takes it.",
        since=3,
    ),
)
