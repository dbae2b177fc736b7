"""Promotion: the model a verdict is about becomes a version that can be loaded, and rolled back."""
