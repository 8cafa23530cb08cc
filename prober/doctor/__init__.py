"""Walks the contract with the target step by step; names what is wrong and which setting mends it.

Askers (`target`, `database`, `redis`) send and look; what an answer means is read by pure functions (`*_reading`).
"""
