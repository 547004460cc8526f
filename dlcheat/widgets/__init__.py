"""The book's widgets: each is a pair, ``name.py`` (state) and ``name.js`` (what moves).

A widget computes where the reader is: its JavaScript runs in the published
page, in JupyterLab, VS Code and Colab alike, with or without a kernel. Import a
widget from its own module, ``from dlcheat.widgets.convolution import
ConvolutionStepper``.
"""
