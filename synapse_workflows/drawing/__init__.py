"""Drawings of provenance graphs: SVG, Mermaid and HTML pages."""
