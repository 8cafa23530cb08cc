"""The guide's four tests on demand: load, race, and drills that inject faults."""
