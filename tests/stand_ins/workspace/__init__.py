"""A stand-in of a Databricks workspace: the REST services that a gateway speaks to, on this machine.

See README.md beside this file. `python -m workspace` starts it; `workspace.application.Workspace` is
the same thing for tests in Python.
"""
