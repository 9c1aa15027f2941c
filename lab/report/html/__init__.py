"""The report: one page that opens from disk, needs no other file and makes no network requests."""
