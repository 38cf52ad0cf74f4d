"""Work over database and checkpoint store together, or over the tables and a library.

Sweeps, search, forks, garbage collection, reports, events.
"""
