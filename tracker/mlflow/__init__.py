"""MLflow's HTTP interface beside keepbest's own, on the same store: a thin coat of names, shapes and errors."""
