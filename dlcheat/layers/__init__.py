"""Layers from scratch: functions first, then the modules that hold their weights."""
