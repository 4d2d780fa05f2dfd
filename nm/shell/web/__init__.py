"""The page that `nmctl web` serves to the browser of whoever started it.

    gate    who may look: the one-time token, the cookie, the headers
    feed    the picture, while somebody looks
    server  HTTP on 127.0.0.1
    page.*  what the browser is given; elements.js is what page.js is built with

The page is read-only: nothing here can change anything, and the daemon is asked with the caller's own rights.
"""
