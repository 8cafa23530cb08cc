"""Where results go out: the journal on this machine's disk, and the link to the web process."""
