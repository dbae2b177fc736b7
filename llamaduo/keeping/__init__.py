"""Keeping a home: what is there, what can go, and a person's row with all that came of it.

Read `units` first: what the store holds, and what was made from what.
"""
