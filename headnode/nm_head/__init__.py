"""What is installed on a head node: it follows the list of the group's machines, and makes them boot.

No dependency but Python's own library (3.9 or newer). `run` is the program; main.py has its commands.
"""
