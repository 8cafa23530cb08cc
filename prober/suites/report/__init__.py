"""Results in, text out: for a terminal, a ticket, a browser. Pure, but for the progress bar's stream."""
