"""Exercises of chapter 5: pooling."""
