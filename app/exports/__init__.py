"""Everything as files of columns, for programs that read many rows at once."""
