"""The networks, tables and scripts that the documentation runs."""
