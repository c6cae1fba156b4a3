"""Dashboards: widgets around the same pictures that the report shows. Importing one loads ipywidgets."""
