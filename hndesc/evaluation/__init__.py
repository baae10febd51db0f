"""Benchmarks: scoring as pure functions on arrays, and one step each that reads and writes files."""
