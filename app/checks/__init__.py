"""What may be wrong with an installation, each with what to do: nothing here changes anything."""
