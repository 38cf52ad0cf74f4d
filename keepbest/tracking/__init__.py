"""A run as its training process sees it: begin, log, report validations, go back, finish."""
