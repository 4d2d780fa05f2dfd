"""Site files: a whole site in one TOML or JSON document, or in SPL's data files.

Used by nmctl and by `nmd --init`; imports no room of the daemon.
"""

from nm.site.document import to_json, to_toml
from nm.site.files import load
from nm.site.places import SECTIONS, BadFiles, Loaded, Origin, Problem

__all__ = ["SECTIONS", "BadFiles", "Loaded", "Origin", "Problem", "load", "to_json", "to_toml"]
