"""Exercises of chapter 6: CNN architecture."""
