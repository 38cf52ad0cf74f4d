"""The way from script to tracker: points go into numbered batches, batches into a journal, the journal over HTTP."""
