"""Exercises of chapter 1: visual cortex."""
