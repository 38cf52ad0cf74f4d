"""Archives: runs in one file, to be taken to another tracker (docs/reference/archive.md)."""
