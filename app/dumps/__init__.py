"""Dumps: every user's recommendations in one file, written by a task."""
