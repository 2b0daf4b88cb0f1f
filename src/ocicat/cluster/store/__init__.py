"""Where objects are kept: one Protocol, a twin in memory and one in SQLite."""
