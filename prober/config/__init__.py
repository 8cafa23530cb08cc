"""The config file: its units, its keys, and how text becomes values or errors that say where."""
