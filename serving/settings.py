"""Everything that an operator decides about the service, in one frozen object."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Settings of one service; port 0 asks for any free port."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, Field(min_length=1, description="Address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on; 0: any free one")] = 8000
    body_bytes: Annotated[int, Field(ge=1024, description="Largest request body")] = 32 * 1024 * 1024
    body_seconds: Annotated[float, Field(gt=0, description="Longest time for a request body to arrive")] = 60.0
    answer_seconds: Annotated[float, Field(gt=0, description="Longest time for an answer, streamed or not")] = 600.0
    concurrent_requests: Annotated[int, Field(ge=1, description="Requests answered at once; more get 429")] = 256
    task_workers: Annotated[int, Field(ge=1, description="Processes that read and render large requests")] = 4
    task_seconds: Annotated[float, Field(gt=0, description="Longest time to read a request or its answers")] = 60.0
    drain_seconds: Annotated[int, Field(ge=0, description="Time that running requests get to finish at the end")] = 30
    expose_preview: Annotated[
        bool, Field(description="Serve a bundle whose gates did not all hold beyond this machine; told in every answer")
    ] = False

    @property
    def beyond_loopback(self) -> bool:
        """Whether other machines can reach the service; a name that is not certainly local counts as such."""
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return self.host != "localhost"
