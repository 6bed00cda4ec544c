"""The command line: its commands, what they print, the server that they start, the demo."""
