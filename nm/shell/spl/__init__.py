"""The shell `spl>`: the grammar that SPL's operators know, and all of nmctl's own commands beside it.

The grammar is a table (rows.py). A line finds its row (grammar.py), and the row says which command of nmctl
it is, so that no command is written twice; what nmctl lacks is in own.py and sketch.py. Help, completion and
the page in docs/ come from the same table. A client of the API, loaded by `nmctl shell` only. Holds no lock.
"""
