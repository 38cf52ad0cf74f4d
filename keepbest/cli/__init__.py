"""The `keepbest` command: one file a group of verbs, loaded when the verb is used."""
