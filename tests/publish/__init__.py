"""Tests of where results go out."""
