"""The exit codes, the same for every command (SPEC 3)."""

FINE = 0
VIOLATION = 1  # or a critical breaking point
BAD_USAGE = 2
COULD_NOT_RUN = 3
INTERRUPTED = 130  # Ctrl-C before there was anything to end in order
