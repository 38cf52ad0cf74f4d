"""The `keepbest` command: one file for each group of verbs, imported when the verb is used."""
