"""Evaluation: metrics as pure functions on arrays, and one step per benchmark that reads and writes files."""
