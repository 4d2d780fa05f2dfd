"""Tests of Unix accounts: on copies of the machine's files, but with the machine's own processes."""

import os

# Uids of this test process's own: an account that goes ends all processes of its uid, also another test's.
FIRST = 1_000_000 + os.getpid() % 10_000 * 1000
LAST = FIRST + 999

CALLS = 'restrict,command="call"'  # before each key of who calls and does nothing else
