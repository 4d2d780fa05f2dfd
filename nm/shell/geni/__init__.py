"""`nmctl geni`: a clearing house in files, and a client of GENI's aggregates.

Neither needs a daemon of nm's. What costs time to load is loaded when it is asked for.
"""

from nm.shell.geni import calls, house

COMMANDS = (*house.COMMANDS, *calls.COMMANDS)
