"""Exercises of chapter 7: the training loop."""
