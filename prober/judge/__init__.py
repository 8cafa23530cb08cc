"""What decides: pure functions over values and times. No clock and no I/O in here."""
