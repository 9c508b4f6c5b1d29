"""Pages of compliance: one module a topic."""
