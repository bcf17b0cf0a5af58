"""All settings of the service in one frozen object."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Settings of one service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, Field(min_length=1, description="Address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on; 0 selects a free one")] = 8000
    body_bytes: Annotated[int, Field(ge=1024, description="Largest request body in bytes")] = 32 * 1024 * 1024
    body_seconds: Annotated[float, Field(gt=0, description="Longest time in seconds for a request body to arrive")] = (
        60.0
    )
    answer_seconds: Annotated[
        float, Field(gt=0, description="Longest time in seconds for an answer, streamed or not")
    ] = 600.0
    concurrent_requests: Annotated[
        int, Field(ge=1, description="Requests answered at the same time; others get 429")
    ] = 256
    task_workers: Annotated[int, Field(ge=1, description="Processes that parse and render requests")] = 4
    task_seconds: Annotated[
        float, Field(gt=0, description="Longest time in seconds to parse a request or its answers")
    ] = 60.0
    drain_seconds: Annotated[int, Field(ge=0, description="Seconds for running requests to finish at shutdown")] = 30
    expose_preview: Annotated[
        bool, Field(description="Let other machines reach a bundle whose gates did not all hold; every answer says so")
    ] = False

    @property
    def beyond_loopback(self) -> bool:
        """Whether other machines can reach the service; a host name other than localhost counts as reachable."""
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return self.host != "localhost"
