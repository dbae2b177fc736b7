"""Parity: a served copy is held to what was judged, by its answers and not by its name."""
