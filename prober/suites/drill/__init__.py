"""Drills: traffic flows, a fault is made and undone, and what became of every message is told."""
