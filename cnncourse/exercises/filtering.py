"""Exercises of chapter 2: filtering."""
