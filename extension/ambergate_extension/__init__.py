"""The amber zone: the gate. Runs checked queries in an engine worker and hands cleared tables to sandboxed kernels."""
