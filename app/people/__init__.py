"""People who log in: passwords, tokens, keys, and the door that they come through."""
