"""Steps that create figures and tables of results."""
