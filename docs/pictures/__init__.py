"""The pictures of the documentation. `python -m docs.pictures` draws all of them anew."""
