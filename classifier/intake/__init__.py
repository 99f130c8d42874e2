"""What a stranger sent, from bytes to stored files: the pool of child processes, the child, formats, the disk."""
