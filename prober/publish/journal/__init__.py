"""The journal: what the prober has found, kept in SQLite, so that it survives restarts, crashes and `kill -9`.

Writing is in `journal`, reading apart in `reader`; each is imported from where it is, since the web process reads
and needs none of what writing needs.
"""
