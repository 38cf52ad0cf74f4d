"""The language in which runs are looked for: one text in page, command, Python and API."""
