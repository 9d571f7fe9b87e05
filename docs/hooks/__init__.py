"""Hooks of MkDocs: formulas, pages from elsewhere in the repository, and the generated reference."""
