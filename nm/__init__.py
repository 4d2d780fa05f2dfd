"""nm: a node manager that hands out isolated slices of real machines."""

__version__ = "0.1.0"
