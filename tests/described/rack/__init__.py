"""Domains on VLANs of groups, with real packets; run by ../test_in_rack.py in a rack of its own."""
