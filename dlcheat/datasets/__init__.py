"""Small data sets that need no download; ``README.md`` beside this file names sources and licences."""

from dlcheat.datasets.mnist import Mnist, mnist

__all__ = ["Mnist", "mnist"]
