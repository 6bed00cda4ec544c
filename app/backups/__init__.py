"""Backups: one archive of database, models and files as of one moment, and a data folder made of it."""
