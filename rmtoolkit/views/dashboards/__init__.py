"""Dashboards: widgets around the same pictures that the report shows. Importing one loads ipywidgets."""

from __future__ import annotations

from typing import Final

#: Where the kernel of a served page finds what it shows: the path of a file, in the environment.
SERVED: Final = "RMTOOLKIT_DASHBOARD"
