"""Reservations by people of elsewhere: one meaning for the doors of GENI and of BOWL. Pure.

A reservation is a group. Its alias is the slice's URN (or BOWL's string), its name follows from that by one
rule (names.py), its owner is an account of the site's, and its record has a field `federation` (marks.py).
A sliver is a node of it; all else is derived: what is wanted and no part of the target is allocated, what is
in the target (or waits for an operator) is provisioned, and how it runs is told by jobs and power.

Doors learn who calls, and call: looking.offer, describe, status; provisioning.provision, renew;
acting.perform; ending.delete, shutdown. Each gets a transaction (or a reader) and a Visit, is all or nothing
unless it is told to do its best, and answers an Answer. `visits.transacted` runs one that writes; Allocate
is nm/allocating.py's, for it looks for nodes first (reserving.find) and then takes them (reserving.take).
names.slice_of tells doors first whose slice a call is about.
Operators call desk.py by the methods of nm's own API; what follows by itself (following.py) is done by
nm/federationwork.py, and the ends of slivers (ending.expire) by nm/timekeeper.py.
"""
