"""How fast nm is beside the obvious alternatives. Each module is one benchmark; `main` prints its table."""
