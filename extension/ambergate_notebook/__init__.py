"""The green zone: what a researcher's kernel imports. Knows the gate's socket and nothing else."""
