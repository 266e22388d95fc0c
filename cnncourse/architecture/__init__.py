"""Chapter 6, architecture: layers to build from, and the networks that were built."""
