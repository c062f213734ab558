"""What the book needs to be built: execute, hand over to Sphinx, verify, explore, ledger."""
