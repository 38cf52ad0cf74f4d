"""What reaches over database and store, or over the tables and a library: sweeps, search, forks, reports, events."""
