"""Plots as SVG in the page itself: pure functions from figures to markup, without a script."""
