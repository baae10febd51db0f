"""Image sequences with known homographies."""
