"""Calls to a daemon on another machine, through SSH into an account whose login shell passes them on."""
