"""`nmctl geni`: a clearing house in files, a client of GENI's aggregates, and what operators of one do.

The first two need no daemon of nm's. What costs time to load is loaded when it is asked for.
"""

from nm.shell.geni import calls, desk, house, passing

COMMANDS = (*house.COMMANDS, *passing.COMMANDS, *calls.COMMANDS, *desk.COMMANDS)
