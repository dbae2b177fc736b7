"""Deployment: a promoted version with all of its weights in one folder, and what serves that."""
