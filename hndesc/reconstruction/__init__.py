"""Structure from motion of a user's own photos: pairs, matches, incremental mapping."""
