"""Whether HEIC, the format of many phones, is read: its decoder is an extra, since its wheels hold code under the GPL.

Imports nothing of it to tell.
"""

from importlib.util import find_spec

IS_READ = find_spec("pillow_heif") is not None
SUFFIXES = frozenset({".heic", ".heif"})
