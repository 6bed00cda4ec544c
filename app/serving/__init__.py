"""Recommendations from the active model, and the rebuild that makes a model active."""
