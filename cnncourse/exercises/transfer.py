"""Exercises of chapter 8: transfer learning."""
