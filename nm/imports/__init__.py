"""Imports: a whole site taken in, all of it or nothing. Pure.

A site's text becomes *steps*, calls of the operations that people use for single things, in an order in which
each finds what it needs. They are tried on a scratch; whatever stands in the way of any of them is a problem,
and with a problem nothing is imported. A transaction holds 100 writes, so a worker (nm/importwork.py) takes
the steps in bites, each tried anew on the state of that moment. Where the world has moved so that one is
refused, all that was added is taken back, last things first. How far it came is in the job, so a restart goes
on where it was.
"""

from nm.imports.carrying import RUNNING, carry_on, give_up, import_site
from nm.imports.forms import SECTIONS
from nm.imports.judging import check_import, judge

__all__ = ["RUNNING", "SECTIONS", "carry_on", "check_import", "give_up", "import_site", "judge"]
