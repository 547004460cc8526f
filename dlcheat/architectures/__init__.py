"""Architectures, one file a chapter, under the chapter's name."""
