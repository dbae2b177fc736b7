"""Sweeps: one command, many jobs, on this machine or others; each ends with a record."""
