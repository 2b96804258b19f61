"""Data engines behind one interface. DuckDB is the only one so far."""
