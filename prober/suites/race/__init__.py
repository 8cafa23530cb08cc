"""The vendor race suite: the probe's race, many times, judged by the same judge."""
