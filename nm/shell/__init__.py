"""nmctl: every method of the API as a command, for people and for scripts.

A client of the API: it imports no room of the daemon. The commands are rows of tables (pool.py,
groups.py, service.py, offline.py); table.py says what a row is, main.py runs one, and values.py and
times.py read what people type. Single-threaded, holds no lock.
"""
