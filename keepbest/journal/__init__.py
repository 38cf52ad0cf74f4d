"""From script to tracker: points into numbered batches, batches into a journal, the journal over HTTP."""
