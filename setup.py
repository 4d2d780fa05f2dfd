"""The package's set-up; everything about it is said in pyproject.toml."""

from setuptools import setup

setup()
