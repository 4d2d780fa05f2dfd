"""GENI's resource specifications, version 3: what an aggregate offers, what somebody asks for, what they got.

`advertisement` and `manifest` write, `request` and `manifest` read, `matching` finds the nodes that a request
needs. All pure: structs and texts in, texts and plain values out.
"""
