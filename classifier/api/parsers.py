"""Bodies as the API reads them: what Python's own reading lets through and nothing can answer later is refused here."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import exceptions, parsers


class JsonParser(parsers.JSONParser):
    """Rest framework's own, without what is nested beyond all measure and without halves of characters."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Raises ParseError."""
        try:
            data = super().parse(stream, media_type, parser_context)
            json.dumps(data, ensure_ascii=False).encode()
        except RecursionError:
            raise exceptions.ParseError("JSON parse error - nested too deeply") from None
        except UnicodeEncodeError:  # "\\ud800": the message that repeats it could not be sent
            raise exceptions.ParseError("JSON parse error - half of a surrogate pair is no character") from None
        return data
