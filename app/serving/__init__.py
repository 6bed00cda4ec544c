"""Recommendations from the active model, and how a model comes to be that."""
