"""GENI federation: who may ask this aggregate for what, and what is asked and told.

The rooms in here are pure. The trust part are names, certificates, credentials and their signatures; the
question they answer together is `authorisation.authorised`. `rspec` reads and writes what GENI says of
resources.
"""
