"""The red zone: from raw extracts with identifiers to a project's pseudonymised, encrypted database."""
