"""Suites beside the daemon: which runs, what came of those that ran, and those that the calendar asks for."""
