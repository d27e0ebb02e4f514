"""The engine: from a recipe to an adapter, a lock and a report, one function per arrow."""
