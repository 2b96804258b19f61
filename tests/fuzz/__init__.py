"""What the kernel understood is what DuckDB does: random, collected and hostile statements, asked of both."""
