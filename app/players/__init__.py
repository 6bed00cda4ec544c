"""What media players report, and lists that other programs read."""
