"""The probes: one file each, one shape each (`base.Probe`). They send and look; they decide nothing."""
