"""The policy kernel: what may leave, for one query under one agreement. Pure; knows no Jupyter, HTTP or files."""
