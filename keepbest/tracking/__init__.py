"""One run, from the side of whoever trains it: begin, log, look, go back, finish."""
