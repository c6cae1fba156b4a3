"""Heap profiles: files that name the code which holds the memory."""
