"""Exercises of chapter 3: edge detection."""
