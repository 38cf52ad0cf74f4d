"""Finding runs: what they are found by, conditions in SQL, the way to the matching runs, pages and groups."""
