"""What people and runs decide: rows in a SQL database, kept for good."""
