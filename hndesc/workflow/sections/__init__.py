"""Sections of the configuration, as models: type, default, bounds and help of each setting."""
