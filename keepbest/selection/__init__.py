"""Which validation is best, and which model is kept for good: selectors, apart from the stopper and from retention."""
