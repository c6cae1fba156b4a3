"""What every process of the tests does first: they and those that they start find it on PYTHONPATH."""

import sys

# jsonschema, which Altair and Jupyter import, compiles a grammar of addresses for a second where there is one: no test
# needs it.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
