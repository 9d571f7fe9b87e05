"""The documentation: Markdown pages, and the hooks that MkDocs builds the site with (`make docs`)."""
