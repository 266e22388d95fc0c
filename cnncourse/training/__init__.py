"""Chapter 7, training: a loss, an optimiser and a loop; and how to tell whether it has worked."""
