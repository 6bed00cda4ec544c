"""Transfers: a whole service is brought into another database, of the same engine or another."""
