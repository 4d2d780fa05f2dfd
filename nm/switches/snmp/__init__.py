"""Switches driven by SNMP: the driver, its client, and the MIBs it knows as models."""
