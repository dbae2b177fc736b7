"""What was paid, and for what: sums over the ledger, its tries as a file, what to ask again."""
