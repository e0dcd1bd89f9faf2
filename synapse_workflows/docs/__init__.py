"""Guides and reference of the package, built with Sphinx (`make docs`)."""
