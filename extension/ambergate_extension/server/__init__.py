"""The trusted single-user server: its configuration, its extension, and what it refuses."""
