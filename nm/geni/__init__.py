"""GENI federation: who may ask this aggregate for what.

The rooms in here are the trust part, and pure: names, certificates, credentials and their signatures. The
question they answer together is `authorisation.authorised`.
"""
