"""A copy of everything an instance holds, made while it runs, and an instance made from such a copy.

A backup is a folder or a tar file: the database, the files of its photos, the secret key, `manifest.json`, and
`SHA256SUMS`, which comes last and as `sha256sum --check` reads it. Without that list a backup is not whole.
"""
