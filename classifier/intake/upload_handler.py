"""Files of an upload that are too large for memory, without names: a process that is killed leaves none behind."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from classifier.intake import spool


class NamelessFileUploadHandler(FileUploadHandler):
    """In the place of Django's handler, whose files have names until they are closed. Raises OSError on a full disk."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file = UploadedFile()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        nameless: Any = spool.open_nameless(Path(settings.FILE_UPLOAD_TEMP_DIR))
        self._file = UploadedFile(nameless, self.file_name, self.content_type, 0, self.charset, self.content_type_extra)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._file.write(raw_data)

    def file_complete(self, file_size: int) -> "UploadedFile[Any]":
        self._file.seek(0)
        self._file.size = file_size
        return self._file

    def upload_interrupted(self) -> None:
        if self._file.file is not None:
            self._file.close()
