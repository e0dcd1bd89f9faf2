"""Sphinx configuration of the reference site."""

from typing import Final

import synapse_workflows

project: Final = "synapse-workflows"
author: Final = "Sage Bionetworks"
release: Final = synapse_workflows.__version__

extensions: Final = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "synapse_workflows.docs.reference_pages",
]
exclude_patterns: Final = ["__pycache__"]
html_theme: Final = "furo"
html_title: Final = f"synapse-workflows {release}"
html_copy_source: Final = False
myst_enable_extensions: Final = ["colon_fence"]
myst_heading_anchors: Final = 3
smartquotes: Final = False  # the options of commands are literal: --dag

autodoc_member_order: Final = "bysource"
autodoc_typehints: Final = "description"
autodoc_typehints_format: Final = "short"
autodoc_typehints_description_target: Final = "documented"
napoleon_numpy_docstring: Final = False
#: Names in backquotes are links where they name a documented object.
default_role: Final = "py:obj"
nitpicky: Final = True
#: Links to public names are checked. Types in signatures may be those of other packages or of
#: internal modules, and names in backquotes may be those of arguments and values.
nitpick_ignore_regex: Final = [(r"py:.*", r"(?!synapse_workflows\.[A-Z])[\s\S]*")]
