"""dlcheat: the small package that the chapters of the book call.

Each module is one idea, written to be read: ``activations``, ``losses``,
``layers``, ``architectures``, ``datasets``, ``training``, ``plotting`` and
``widgets``. Where torch has the thing, dlcheat has torch's name, argument
order, defaults and parameter names.
"""

__version__ = "0.1.0"
