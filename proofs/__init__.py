"""Long runs that prove what a short test cannot: commands of their own, whose figures are checked in."""
