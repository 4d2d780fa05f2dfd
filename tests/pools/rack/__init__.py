"""Pools of real domains, beside a libvirtd of their own (tests/hosts/rackns.sh)."""
