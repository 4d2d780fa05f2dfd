"""A clearing house in files, for one's own lab: who is who, which slices there are, and who may use them.

Also whom this machine's aggregate trusts, which lies in the same folder. Called by tools for people (nmctl,
the lab), never by the daemon. Every file is whole or not there, and none is replaced by another unasked.
"""
