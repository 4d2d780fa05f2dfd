"""`make demo`: groups deployed for real, and who then reaches whom, in five acts and four last ones.

    story    the acts, and what must be seen in each    show    how it is printed
    racks    the lab: real switches, nodes, packets     tables  simulated switches, where root is missing
    booting  an act of its own: machines boot from their group's head node
    slices   another: slices have slivers here, and lend to each other
    pools    another: a text becomes domains on two hosts

It is a client of the API and of the lab. Exit status 0 when every cell of every matrix is as it must be.
"""
