"""One run, from the side of whoever trains it: begin, log, validation, go back, finish."""
