"""Questions in SQL over views of runs, for whoever may read the whole database. Nothing is written."""
