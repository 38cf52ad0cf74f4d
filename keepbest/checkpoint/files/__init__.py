"""The files of a store: its folder and marker, packs written past the page cache, the trash."""
